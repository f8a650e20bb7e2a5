"""kill -9 of sluiced at random moments of running canaries, each of which has to come to the end that it was to come to.

Some canaries go through, others are aborted by an operator on their way, and some of the kills come while he says so: then either end is right, but
once he was told that it is done, no other. Between the kills sluiced is asked all the time: the share that it answers is that of the state
before or after, and so never outside its present and next step. At the end the events have each step once, in order.
"""

import collections
import http.client
import random
import threading
import time
from dataclasses import dataclass, field

import stage
from harness import Sluice, expect, expect_equal, poll, steering
from queries import ask_many, question
from shares import share_of_v2
from stage import NAME, say

STEPS = (5, 25, 50, 100)
QUERIES = 1000  # in one sample
DEVIATIONS = 6  # which a sample of a right share misses once in 500 million times
CONFIG = steering(NAME, {"v1": (1, ["127.0.1.1"]), "v2": (0, ["127.0.2.1"])}, "1s")
ABORT_S = 12.0  # a canary that nobody kills takes as long
LIMIT_S = 60  # for what is left of a canary that is killed no more


def add_arguments(parser):
    parser.add_argument("--kills", type=int, default=100, help="(100)")
    parser.add_argument("--by-canary", type=int, default=8, help="kills that one canary has at most (8)")
    parser.add_argument("--aborted", type=float, default=0.4, help="the part of the canaries that an operator aborts (0.4)")
    parser.add_argument("--gap", type=float, default=2.0, help="seconds from one kill to the next at most (2)")
    parser.add_argument("--hold", default="500ms", help="of each step (500ms)")
    parser.add_argument("--seed", type=int, help="of the moments")


@dataclass
class Tally:
    kills: int = 0
    samples: int = 0
    deviation: float = 0.0  # the greatest, in standard deviations
    ends: collections.Counter = field(default_factory=collections.Counter)


class Operator(threading.Thread):
    """Says `rollout abort` at some moment, whether anybody hears it or not."""

    def __init__(self, sluice, delay_s):
        super().__init__(daemon=True)
        self.sluice, self.delay_s = sluice, delay_s
        self.has_said = self.is_done = False
        self.withdrawn = threading.Event()
        self.start()

    def run(self):
        if self.withdrawn.wait(self.delay_s):
            return
        api = self.sluice.api()
        try:
            self.has_said = True
            self.is_done = api.call("POST", f"/v1/steer/{NAME}/rollout/abort", {"reason": "by the show"})[0] == 200
        except (OSError, http.client.HTTPException):
            pass  # killed
        finally:
            api.close()

    def withdraw(self):
        self.withdrawn.set()
        self.join()


class Canary:
    """One, with its kills."""

    def __init__(self, options, chance, sluice, tally):
        self.options, self.chance, self.sluice, self.tally = options, chance, sluice, tally
        self.first_event = max((event["id"] for event in sluice.events()), default=0)
        sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", ",".join(map(str, STEPS)), "--hold", options.hold, "--ttl", "1s")
        is_aborted = chance.random() < options.aborted
        self.operator = Operator(sluice, chance.uniform(0, ABORT_S)) if is_aborted else None
        self.killed = 0

    def state(self):
        return stage.rollout(self.sluice)

    def sample(self):
        """The state after it."""
        before = self.state()
        share = share_of_v2(ask_many(self.sluice.port, [question(NAME, "A")] * QUERIES)) / 100
        after = self.state()
        low, high = sorted((before["share"], after["share"]))
        expect(after["step"] - before["step"] in (0, 1), f"from step {before['step'] + 1} to {after['step'] + 1} in one sample")
        missed = max(low - share, share - high, 0.0)
        deviation = missed / max(standard_deviation(low), standard_deviation(high), 1e-9) if missed else 0.0
        expect(deviation < DEVIATIONS,
               f"v2 has {100 * share:.1f} % of {QUERIES} answers, set are {100 * low:.3g} to {100 * high:.3g} % ({after['phase']})")
        self.tally.samples += 1
        self.tally.deviation = max(self.tally.deviation, deviation)
        return after

    def kill_and_start(self, before):
        self.sluice.process.kill()
        self.sluice.start()
        self.killed += 1
        self.tally.kills += 1
        after = self.state()
        step = before["step"]
        expect(after["step"] in (step, step + 1), f"killed at step {step + 1}, started at step {after['step'] + 1}")

    def run(self):
        """Its last phase."""
        while self.killed < self.options.by_canary and self.tally.kills < self.options.kills:
            moment = time.monotonic() + self.chance.uniform(0, self.options.gap)
            state = self.sample()
            while state["running"] and time.monotonic() < moment:
                state = self.sample()
            if not state["running"]:
                break
            self.kill_and_start(state)
        if self.operator:
            self.operator.withdraw()
        state = poll("the end of the canary", lambda: not (state := self.sample())["running"] and state, LIMIT_S)
        self.check_end(state)
        return state["phase"]

    def check_end(self, state):
        phase = state["phase"]
        allowed = {"done"}
        if self.operator and self.operator.has_said:
            allowed = {"returned"} if self.operator.is_done else {"done", "returned"}
        expect(phase in allowed, f"it is {phase} instead of {' or '.join(sorted(allowed))}")
        expect_equal("weights at the end", self.sluice.weights(NAME), {"v1": 0, "v2": 100} if phase == "done" else {"v1": 1, "v2": 0})
        expect_equal("share of v2 at the end, in percent", share_of_v2(ask_many(self.sluice.port, [question(NAME, "A")] * QUERIES)),
                     100 if phase == "done" else 0)
        self.check_events(phase)

    def check_events(self, phase):
        kinds = [event["kind"] for event in self.sluice.events() if event["id"] > self.first_event and event["kind"].startswith("rollout.")]
        forward = ["rollout.start"] + ["rollout.step", "rollout.settle", "rollout.hold"] * len(STEPS) + ["rollout.done"]
        if phase == "returned":
            before = forward[:kinds.index("rollout.abort")]
            # What has not moved has nothing to go back.
            forward = before + ["rollout.abort"] + (["rollout.returned"] if "rollout.step" in before else [])
        expect_equal("events", [kind for kind in kinds if kind != "rollout.wait"], forward)


def standard_deviation(share):
    return (share * (1 - share) / QUERIES) ** 0.5


def run(options, sandbox):
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    chance = random.Random(seed)
    say(f"seed {seed}")
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    tally = Tally()
    while tally.kills < options.kills:
        canary = Canary(options, chance, sluice, tally)
        phase = canary.run()
        tally.ends[phase] += 1
        say(f"canary {sum(tally.ends.values())}: {phase} after {canary.killed} kills; {tally.kills} kills, {tally.samples} samples in all")
        sluice.ctl("weight", "reset", NAME)
    ends = ", ".join(f"{count} {phase}" for phase, count in sorted(tally.ends.items()))
    return (f"{tally.kills} kills (seed {seed}), {ends}, each as it should be; {tally.samples} samples of {QUERIES} answers, the greatest "
            f"deviation from the range of their steps {tally.deviation:.1f} standard deviations")

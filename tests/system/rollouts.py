"""Rollouts by the real daemon: a canary from end to end, stopped and undone by hand, and killed while it goes on."""

import collections
import datetime
import itertools
import json
import random
import time

from harness import Sluice, expect, expect_equal, poll, steering, test
from queries import addresses, ask_many, question
from shares import share_of_v2

CONFIG = """
[pool.v1]
endpoints = ["127.0.1.1"]
[pool.v2]
endpoints = ["127.0.2.1"]
[steer."www.shop.example"]
pools = { v1 = 1, v2 = 0 }
ttl = "2s"
"""
NAME = "www.shop.example"
QUERIES = 4000
STEPS = (5, 50, 100)
KILLS = 8


def start(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    return sluice


def start_canary(sluice, *more):
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", ",".join(map(str, STEPS)), "--hold", "0s", "--ttl", "1s", *more)


def rollout(sluice):
    return json.loads(sluice.ctl("--json", "rollout", "status", NAME))["rollouts"][0]


def answered(sluice):
    return share_of_v2(ask_many(sluice.port, [question(NAME, "A")] * QUERIES))


def await_phase(sluice, *phases):
    """Clients go on asking meanwhile, without whom nothing can be measured."""
    def reached():
        answered(sluice)
        return rollout(sluice)["phase"] in phases
    poll(f"a rollout that is {' or '.join(phases)}", reached)


@test
def a_canary_takes_its_steps_and_ends(sandbox):
    sluice = start(sandbox)
    start_canary(sluice)
    seen = set()
    while (state := rollout(sluice))["running"]:
        share = answered(sluice)
        if rollout(sluice)["since"] == state["since"]:  # the same phase before and after
            wanted = 100 * state["share"]
            # Three points are four standard deviations of 4,000 queries by chance.
            expect(abs(share - wanted) <= 3.2, f"{state['phase']}: v2 has {share:.1f} % instead of {wanted}")
            seen.add(round(wanted))
    expect_equal("phase at the end", rollout(sluice)["phase"], "done")
    expect_equal("shares on the way", seen, {0, *STEPS})
    expect_equal("weights", sluice.weights(NAME), {"v1": 0, "v2": 100})
    kinds = [event["kind"] for event in sluice.events() if event["kind"].startswith("rollout.")]
    expect_equal("events", kinds, ["rollout.start"] + ["rollout.step", "rollout.settle", "rollout.hold"] * 3 + ["rollout.done"])


@test
def a_canary_is_aborted_and_undone(sandbox):
    sluice = start(sandbox)
    start_canary(sluice, "--gates")
    await_phase(sluice, "gated")
    refused = sluice.run_ctl("weight", "set", NAME, "v2=7")
    expect_equal("exit code of a change of weights meanwhile", refused.returncode, 1)
    sluice.ctl("rollout", "abort", NAME, "--reason", "too slow")
    expect_equal("share after the abort", answered(sluice), 0)
    await_phase(sluice, "returned")
    start_canary(sluice)
    sluice.ctl("rollout", "promote", NAME, "--full")
    expect_equal("share after a full promote", answered(sluice), 100)
    await_phase(sluice, "done")
    sluice.ctl("rollout", "undo", NAME)
    expect_equal("share after an undo", answered(sluice), 0)
    await_phase(sluice, "returned")
    history = json.loads(sluice.ctl("--json", "rollout", "history", NAME))["rollouts"]
    expect_equal("history", [(one["id"], one["phase"], one["reason"]) for one in history],
                 [(2, "returned", "asked for"), (1, "returned", "too slow")])


@test
def a_canary_to_two_pools_divides_its_share_among_them(sandbox):
    pools = {"127.0.1.1": "v1", "127.0.2.1": "v2", "127.0.3.1": "v3"}
    sluice = Sluice(sandbox, steering(NAME, {pool: (int(pool == "v1"), [address]) for address, pool in pools.items()}, ttl="2s"))
    sluice.start()
    sluice.ctl("canary", "start", NAME, "--to", "v2=2,v3=1", "--steps", "30,100", "--hold", "0s", "--ttl", "1s", "--gates")

    def parts():
        replies = ask_many(sluice.port, [question(NAME, "A")] * QUERIES)
        counts = collections.Counter(pools[addresses(reply)[0]] for reply in replies)
        return [100 * counts[pool] / QUERIES for pool in ("v2", "v3")]

    def gated():
        parts()
        return rollout(sluice)["phase"] == "gated"
    poll("the gate", gated)
    for share, wanted in zip(parts(), (20, 10)):
        expect(abs(share - wanted) <= 3.2, f"a target has {share:.1f} % instead of {wanted}")
    state = rollout(sluice)
    expect_equal("targets", [(target["pool"], round(100 * target["share"])) for target in state["targets"]], [("v2", 20), ("v3", 10)])
    for share, wanted in zip((target["answered_share"] for target in state["targets"]), (0.2, 0.1)):
        expect(abs(share - wanted) <= 0.032, f"a target's answered share is {share} instead of {wanted}")
    expect("v3: set 10.0%" in sluice.ctl("rollout", "status", NAME), "the tree does not show each target")
    sluice.ctl("rollout", "promote", NAME, "--full")
    expect(abs(parts()[0] - 66.7) <= 3.2, f"the first target has {parts()[0]:.1f} % at the end")
    sluice.ctl("rollout", "abort", NAME)
    expect_equal("shares after the abort", parts(), [0, 0])


@test
def a_flag_with_a_value_is_no_flag(sandbox):
    sluice = start(sandbox)
    start_canary(sluice, "--gates")
    refused = sluice.run_ctl("rollout", "promote", NAME, "--full=false")
    expect_equal("exit code", refused.returncode, 2)
    expect("--full" in refused.stderr, f"what is wrong is not said: {refused.stderr}")
    expect(rollout(sluice)["share"] < 1, "it was promoted")


@test
def bluegreen_switches_at_once_and_back(sandbox):
    sluice = start(sandbox)
    sluice.ctl("bluegreen", "switch", NAME, "--to", "v2", "--ttl", "1s")
    await_phase(sluice, "done")
    expect_equal("share after the switch", answered(sluice), 100)
    sluice.ctl("bluegreen", "switch", NAME, "--to", "v1", "--ttl", "1s")
    await_phase(sluice, "done")
    expect_equal("share after the switch back", answered(sluice), 0)


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@test
def a_plan_is_the_dry_run_and_changes_nothing(sandbox):
    sluice = start(sandbox)
    events = sluice.events()
    for start_words, strategy, *arguments in (
            (("canary", "start"), "canary", NAME, "--to", "v2", "--steps", "5,100"),
            (("bluegreen", "switch"), "bluegreen", NAME, "--to", "v2"),
            (("rolling", "start"), "rolling", "v1", "--hook", "true", "--min-available", "0")):
        plan = json.loads(sluice.ctl("--json", "rollout", "plan", strategy, *arguments))
        dry_run = json.loads(sluice.ctl("--json", *start_words, *arguments, "--dry-run"))
        expect_equal(f"whether {strategy} is a dry run", plan["dry_run"], True)
        expect_equal(f"members of {strategy}", set(plan), set(dry_run))
        steps, same_steps = ([(step["what"], step.get("pools")) for step in reply["plan"]] for reply in (plan, dry_run))
        expect_equal(f"steps of {strategy}", steps, same_steps)
    refused = sluice.run_ctl("rollout", "plan", "canary", NAME, "--to", "v3")
    expect_equal("exit code of a plan that cannot be", refused.returncode, 1)
    shown = sluice.ctl("rollout", "plan", "canary", NAME, "--to", "v2", "--steps", "5,100")
    for line in ("v2 has 5 %", "95.0% of v1: 1 of 1 endpoints healthy", "5.0% of v2: 1 of 1 endpoints healthy", "done"):
        expect(line in shown, f"the plan does not say {line!r}: {shown}")
    expect("left of v1: 0 of 1 endpoints healthy" in sluice.ctl("rollout", "plan", "rolling", "v1", "--min-available", "0"),
           "the plan of a rolling upgrade does not say what is left")
    expect_equal("events", sluice.events(), events)
    expect_equal("rollouts", json.loads(sluice.ctl("--json", "rollout", "status"))["rollouts"], [])
    expect_equal("rolling upgrades", json.loads(sluice.ctl("--json", "rolling", "status"))["rollings"], [])


@test
def a_plan_goes_by_what_was_really_answered(sandbox):
    sluice = start(sandbox)
    started = time.time()
    poll("the time that leases from before may last", lambda: time.time() > started + 4)

    def moments():
        reply = json.loads(sluice.ctl("--json", "rollout", "plan", "canary", NAME, "--to", "v2", "--steps", "100", "--ttl", "1s"))
        return [seconds_of(step["at"]) for step in reply["plan"]]
    first, step, _ = moments()
    expect_equal("when the first step can be, of a name that nobody has asked for", step, first)
    asked = time.time()
    answered(sluice)
    first, step, _ = moments()
    expect(step >= asked + 3, f"the first step could be at {step}, less than a TTL and a second after {asked}")


@test
def changes_of_others_do_not_put_a_canary_off(sandbox):
    sluice = Sluice(sandbox, CONFIG + '[steer."app.shop.example"]\npools = { v1 = 1, v2 = 1 }\n')
    sluice.start()
    start_canary(sluice)
    api = sluice.api()
    changes = itertools.count(1)

    def is_done():
        number = next(changes)
        expect_equal("status of a change", api.set_weights("app.shop.example", {"v1": 1, "v2": number % 100})[0], 200)
        return number % 100 == 0 and rollout(sluice)["phase"] == "done"
    poll("the end of the canary", is_done, 60)
    sandbox.note(f"{next(changes) - 1} changes of another name meanwhile")


@test
def kill_9_loses_no_step(sandbox):
    sluice = start(sandbox)
    start_canary(sluice)
    chance = random.Random(8)
    for _ in range(KILLS):
        before = rollout(sluice)
        moment = time.monotonic() + chance.uniform(0, 0.5)
        while time.monotonic() < moment:
            answered(sluice)
        sluice.process.kill()
        sluice.start()
        after = rollout(sluice)
        expect(after["step"] in (before["step"], before["step"] + 1), f"from step {before['step']} to {after['step']}")
        share = answered(sluice)
        allowed = [0, *STEPS][after["step"]:after["step"] + 3]
        expect(min(allowed) - 3.2 <= share <= max(allowed) + 3.2, f"v2 has {share:.1f} % at step {after['step']}")
    await_phase(sluice, "done")
    expect_equal("share at the end", answered(sluice), 100)

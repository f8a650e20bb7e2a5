"""tools/bench rollouts: 10,000 steered names of three shared pools, and 500 rollouts that run at once.

Most are canaries in steps of 1, 5, 25, 50 and 100 %; one in five is a blue/green switch, whose one step is seen in the first answer after it.
Who is through begins again, to the next pool. Shown are, beside the same daemon without rollouts,

    CPU        of the control thread, as part of a core
    memory     of the daemon
    published  delay of all that came due (a step, the end of its caches' time, of its measurement, of its hold): from when it was due
               to the daemon's log, which is written when answers have it; what came sooner, as nobody had asked for the name, is
               counted, and has no delay
    answered   delay of the steps of the switches: from when they were due to the first answer of the new pool; the names are asked in
               turn, each about every --look
"""

import heapq
import random
import re
import threading
import time
from collections import defaultdict
from datetime import datetime

import peers
from common import harness
from fleet import Fleet, label, quantiles

TTL_S, ROLLOUT_TTL_S, HOLD_S = 4, 2, 5
CLOCK_OF_CACHES_S = 1  # by which some keep an answer longer than its TTL
SOONER_S = 0.5  # than a plan's latest moment: nothing had to be waited for
STEPS = "1,5,25,50,100"
EVENTS_AT_ONCE = 5000
LOG_LINE = re.compile(r"^(\S+Z) \S+ (rollout\.\w+) by .*?: (\S+): ", re.MULTILINE)
# What comes after each event, by its plan: kind -> (the next one's kind, seconds).
NEXT = {"rollout.step": ("rollout.settle", ROLLOUT_TTL_S + CLOCK_OF_CACHES_S), "rollout.settle": ("rollout.hold", ROLLOUT_TTL_S),
        "rollout.hold": ("rollout.step", HOLD_S)}


def add_arguments(parser):
    parser.set_defaults(shared=True)
    parser.add_argument("--names", type=int, default=10_000)
    parser.add_argument("--rollouts", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring, and 10 without rollouts")
    parser.add_argument("--spread", type=float, default=30.0, help="seconds in which the rollouts are started")
    parser.add_argument("--look", type=float, default=0.002, help="seconds between two looks at what is answered")


def seconds(text):
    """Since 1970, of a time such as 2026-12-01T02:00:00.123Z."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Switches(threading.Thread):
    """Looks at what is answered for the switches that are due, or nearly so."""

    def __init__(self, options, fleet):
        super().__init__(daemon=True)
        self.options, self.fleet = options, fleet
        self.due = []  # heap of (when, name, pool)
        self.lock = threading.Lock()
        self.answered_s = []
        self.ended = threading.Event()
        self.start()

    def expect(self, when, name, pool):
        with self.lock:
            heapq.heappush(self.due, (when, name, pool))

    def take_near(self):
        near = []
        with self.lock:
            while self.due and self.due[0][0] < time.time() + 0.05:
                near.append(heapq.heappop(self.due))
        return near

    def run(self):
        while not self.ended.wait(self.options.look):
            for when, name, pool in self.take_near():
                if self.fleet.pool_answered(name) == pool:
                    self.answered_s.append(time.time() - when)
                else:
                    self.expect(when, name, pool)

    def end(self):
        self.ended.set()
        self.join()


class Rollouts:
    """What runs: begun, looked at, and begun again."""

    def __init__(self, options, fleet):
        self.options, self.fleet, self.api = options, fleet, harness.Api(fleet.socket_path)
        names = random.Random(7).sample(range(options.names), options.rollouts)
        self.to_switch = set(names[::5])
        self.switches = Switches(options, fleet)
        self.number = {f"{label(name)}.{peers.ZONE}.": name for name in names}
        self.waiting = [(number * options.spread / len(names), name) for number, name in enumerate(names)]
        self.running = set()
        self.seen = 0
        self.events = []

    def begin(self, name):
        pool = self.fleet.next_pool(name)
        body = {"to": f"p{pool}", "ttl": f"{ROLLOUT_TTL_S}s"}
        if name not in self.to_switch:
            body |= {"steps": STEPS, "hold": f"{HOLD_S}s"}
        kind = "bluegreen" if name in self.to_switch else "canary"
        status, reply = self.api.call("POST", f"/v1/steer/{label(name)}.{peers.ZONE}/{kind}", body)
        harness.expect(status == 200, f"the API said {status}: {reply}")
        self.running.add(name)
        if name in self.to_switch:
            self.switches.expect(seconds(reply["plan"][1]["at"]), name, pool)

    def look_at_events(self):
        _, reply = self.api.call("GET", f"/v1/events?after={self.seen}&limit={EVENTS_AT_ONCE}")
        for event in reply["events"]:
            self.seen = event["id"]
            if not event["kind"].startswith("rollout."):
                continue
            self.events.append(event)
            if event["kind"] == "rollout.done":
                self.running.discard(self.number[event["subject"]])
                self.begin(self.number[event["subject"]])

    def go_on(self, until):
        began = time.time()
        next_events = 0.0
        while not until():
            while self.waiting and time.time() - began >= self.waiting[0][0]:
                self.begin(self.waiting.pop(0)[1])
            if time.time() >= next_events:
                self.look_at_events()
                next_events = time.time() + 0.5
            time.sleep(0.01)


def published_delays(events, log):
    """Seconds of all that came due, from the events' times (of the decision, which the next one is due by) and the log's (of publication);
    and how many came sooner."""
    logged, decided = defaultdict(list), defaultdict(list)
    for at, kind, name in LOG_LINE.findall(log):
        logged[name].append((kind, seconds(at)))
    for event in events:
        if event["kind"] != "rollout.start":  # whose line has another form
            decided[event["subject"]].append(seconds(event["at"]))
    delays = []
    for name, times in decided.items():
        for at, (kind, _), (next_kind, next_at) in zip(times, logged[name], logged[name][1:]):
            wanted, later_s = NEXT.get(kind, (None, 0))
            if next_kind == wanted:
                delays.append(next_at - at - later_s)
    due = [delay for delay in delays if delay > -SOONER_S]
    return due, len(delays) - len(due)


def usage(fleet, seconds_long, wait):
    """What the daemon takes while `wait(end)` waits for the end."""
    before, began = fleet.server.cpu_us("control"), time.time()
    wait(began + seconds_long)
    took = time.time() - began
    return {"control_cpu": (fleet.server.cpu_us("control") - before) / 1e6 / took, "memory_kib": fleet.server.resident_kib()}


def show(title, result):
    print(f"  {title:16}control thread {100 * result['control_cpu']:.1f} % of a core, {result['memory_kib'] / 1024:.1f} MiB", flush=True)


def show_delays(title, delays):
    print(f"  {title:16}{delays['count']:7,} " + ", ".join(f"{name} {delays[name]:.1f} ms" for name in ("p50", "p99", "max")), flush=True)


def run(options, sandbox):
    fleet = Fleet(options, sandbox, ttl=f"{TTL_S}s")
    print(f"{options.names:,} names, {options.rollouts} rollouts in steps of {STEPS} %, TTL {ROLLOUT_TTL_S} s, hold {HOLD_S} s", flush=True)
    idle = usage(fleet, 10, lambda end: time.sleep(end - time.time()))
    show("idle", idle)
    rollouts = Rollouts(options, fleet)
    rollouts.go_on(lambda: not rollouts.waiting)
    busy = usage(fleet, options.seconds, lambda end: rollouts.go_on(lambda: time.time() >= end))
    rollouts.look_at_events()
    rollouts.switches.end()
    harness.expect(len(rollouts.running) == options.rollouts, f"{len(rollouts.running)} rollouts run instead of {options.rollouts}")
    show(f"{options.rollouts} rollouts", busy)
    log = fleet.server.process.log()
    published, sooner = published_delays(rollouts.events, log)
    results = {}
    for title, delays in (("published", published), ("answered", rollouts.switches.answered_s)):
        harness.expect(delays, f"nothing was {title}")
        results[title] = quantiles(delays) | {"count": len(delays)}
        show_delays(title, results[title])
    print(f"  sooner          {sooner:7,}", flush=True)
    return {"idle": idle, "rollouts": busy, "delays_ms": results, "sooner": sooner}

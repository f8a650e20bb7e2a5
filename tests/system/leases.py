"""Leases: how long caches may hold an address is counted from when it was handed out last, not from its drain."""

import json
import time

from harness import Sluice, expect, poll, steering, test
from queries import ask_many, question
from rollouts import seconds_of

TTL_S = 4
CONFIG = steering("www.shop.example", {"asked": (1, ["127.0.1.1", "127.0.1.2"]), "unasked": (0, ["127.0.2.1"])}, f"{TTL_S}s")


def drain(sluice, address):
    return json.loads(sluice.ctl("--json", "endpoint", "drain", address))


@test
def a_drained_endpoint_is_waited_for_from_its_last_answer(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    started = time.time()
    # What a daemon before this one has handed out is not known, and counts until the start.
    poll("the time that leases from before may last", lambda: time.time() > started + TTL_S + 2)

    before = time.time()
    ask_many(sluice.port, [question("www.shop.example", "A")] * 20)
    reply = drain(sluice, "127.0.1.1")
    certain = seconds_of(reply["leases"]["certain"])
    expect(certain >= before + TTL_S + 1, f"the lease ends at {certain}, less than a TTL and a second after {before}")
    expect(reply["leases"]["p50"] < reply["leases"]["p90"] < reply["leases"]["p99"] < reply["leases"]["certain"], reply)
    sluice.ctl("endpoint", "drain", "127.0.1.1", "--wait")
    expect(time.time() >= before + TTL_S + 1, "the wait ended before the lease did")
    expect("no cache holds it" in sluice.ctl("status"), "status says nothing of the lease that is over")

    now = time.time()
    reply = drain(sluice, "127.0.2.1")
    expect(seconds_of(reply["leases"]["certain"]) < now, f"it was never handed out: {reply}")
    shown = sluice.ctl("endpoint", "drain", "127.0.2.1", "--wait")
    expect("no cache that honours the TTL holds it any more" in shown, shown)


@test
def a_ttl_that_was_lowered_while_it_was_away_is_waited_for(sandbox):
    long_s = 3600
    sluice = Sluice(sandbox, CONFIG.replace(f'"{TTL_S}s"', f'"{long_s}s"'))
    sluice.start()
    asked = time.time()
    ask_many(sluice.port, [question("www.shop.example", "A")] * 20)
    sluice.process.kill()

    sluice.write_config(CONFIG)
    sluice.start()
    ready = time.time()
    certain = seconds_of(drain(sluice, "127.0.1.1")["leases"]["certain"])
    expect(certain >= asked + long_s + 1, f"the lease ends at {certain}, less than the TTL of before after {asked}")
    plan = json.loads(sluice.ctl("--json", "rollout", "plan", "bluegreen", "www.shop.example", "--to", "unasked"))["plan"]
    expect(seconds_of(plan[1]["at"]) >= asked + long_s + 1, f"the switch would be made too early: {plan}")

    sluice.process.kill()
    sluice.start()
    again = seconds_of(drain(sluice, "127.0.1.1")["leases"]["certain"])
    expect(asked + long_s + 1 <= again <= ready + long_s + 1, f"another start has made {again} of {certain}")


@test
def a_zone_within_a_transferred_one_is_not_transferred_with_it(sandbox):
    """Only the outer one's names are answered by other servers, which could do so at any time."""
    sandbox.write("example.zone", "$TTL 60\n@ SOA ns1 admin 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n")
    sluice = Sluice(sandbox, '[zone."example"]\nfile = "example.zone"\ntransfer = ["127.0.0.1"]\n' + CONFIG)
    sluice.start()
    started = time.time()
    poll("a drain later than the start", lambda: time.time() > started + 1)
    certain = seconds_of(drain(sluice, "127.0.1.1")["leases"]["certain"])
    expect(certain <= started + TTL_S + 1, f"nobody has asked since {started}, and the lease ends at {certain}")

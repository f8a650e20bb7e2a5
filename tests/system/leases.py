"""Leases: how long caches may hold an address is counted from when it was handed out last, not from its drain."""

import json
import subprocess
import time

from harness import DEADLINE_S, Sluice, expect, expect_equal, poll, steering, test
from queries import addresses, ask_many, question
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


def reload(sluice, config):
    sluice.write_config(config)
    sluice.ctl("reload")


def config_of(pools, more=""):
    return steering("www.shop.example", pools, f"{TTL_S}s") + more


@test
def an_endpoint_keeps_its_lease_when_the_config_moves_it(sandbox):
    moved, stays, other = "127.0.1.1", "127.0.1.2", "127.0.2.1"
    alone = f'[pool.v1]\nendpoints = ["{moved}", "{stays}"]\n'
    before = config_of({"v1": (1, [moved, stays]), "v2": (0, [other, moved])})
    after = {
        "it goes to another pool": config_of({"v1": (1, [stays]), "v2": (0, [other, moved])}),
        "its pool is renamed": config_of({"stable": (1, [moved, stays]), "v2": (0, [other])}),
        "the name loses its pool": config_of({"v2": (1, [other])}, alone),
        "the name is gone": config_of({"v2": (1, [other])}, alone).replace('"www.', '"api.'),
    }
    sluice = Sluice(sandbox, before)
    sluice.start()
    started = time.time()
    poll("the time that leases from before may last", lambda: time.time() > started + TTL_S + 2)
    for what, config in after.items():
        asked = time.time()
        ask_many(sluice.port, [question("www.shop.example", "A")] * 20)
        reload(sluice, config)
        certain = seconds_of(drain(sluice, moved)["leases"]["certain"])
        expect(certain >= asked + TTL_S + 1, f"{what}: the lease ends at {certain}, less than a TTL and a second after {asked}")
        if what != "the name is gone":
            sluice.ctl("endpoint", "undrain", moved)
            reload(sluice, before)
    sluice.ctl("endpoint", "drain", moved, "--wait")
    expect(time.time() >= asked + TTL_S + 1, "the wait ended before the lease did")


@test
def a_hook_waits_for_the_lease_of_an_endpoint_that_has_just_come(sandbox):
    moved, stays, other = "127.0.1.1", "127.0.1.2", "127.0.2.1"
    sluice = Sluice(sandbox, config_of({"v1": (1, [moved, stays]), "v2": (0, [other])}))
    sluice.start()
    started = time.time()
    poll("the time that leases from before may last", lambda: time.time() > started + TTL_S + 2)
    asked = time.time()
    ask_many(sluice.port, [question("www.shop.example", "A")] * 20)
    reload(sluice, config_of({"v1": (1, [stays]), "v2": (0, [other, moved])}))
    sluice.ctl("rolling", "start", "v2", "--hook", "true", "--min-available", "0", "--batch", "2")

    def emptied():
        return [event for event in sluice.events() if event["kind"] == "rolling.hook"]

    poll("the hook", emptied)
    at = seconds_of(emptied()[0]["at"])
    expect(at >= asked + TTL_S + 1, f"the hook ran at {at}, and caches hold the address until {asked + TTL_S + 1}")


@test
def what_the_config_has_no_more_after_a_restart_is_waited_for(sandbox):
    gone, stays = "127.0.2.1", "127.0.1.1"
    long_s = 3600
    long = f'ttl = "{long_s}s"'
    api = f'[steer."api.shop.example"]\npools = {{ v1 = 1 }}\nttl = "{TTL_S}s"\n'
    of_both = config_of({"v1": (1, [stays]), "v2": (1, [gone])}).replace(f'ttl = "{TTL_S}s"', long) + api
    of_one = config_of({"v1": (1, [stays])}).replace(f'ttl = "{TTL_S}s"', long)
    unused = f'[pool.v2]\nendpoints = ["{gone}"]\n'
    after = {
        "the name has lost the pool": (of_one + unused + api, gone),
        "the name is gone": (of_one[:of_one.index("[steer.")] + api, stays),
    }
    sluice = Sluice(sandbox)
    for what, (config, address) in after.items():
        sluice.write_config(of_both)
        sluice.start()
        asked = time.time()
        ask_many(sluice.port, [question("www.shop.example", "A")] * 20)
        sluice.process.kill()
        sluice.write_config(config)
        sluice.start()
        for start in ("first", "second"):
            certain = seconds_of(drain(sluice, address)["leases"]["certain"])
            expect(certain >= asked + long_s + 1, f"{what}, {start} start: the lease ends at {certain}, before {asked + long_s + 1}")
            sluice.process.kill()
            sluice.start()
        sluice.process.kill()


@test
def a_wait_goes_on_when_what_is_drained_is_handed_out_again(sandbox):
    drained, other = "127.0.1.1", "127.0.1.2"
    sluice = Sluice(sandbox, config_of({"v1": (1, [drained, other])}))
    sluice.start()
    begun = time.time()
    waiting = subprocess.Popen([sluice.program("sluicectl"), "--socket", sluice.socket_path, "endpoint", "drain", drained, "--wait"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        poll("the drain", lambda: sluice.endpoint(drained)["word"])
        poll("a moment that can be told from the drain's", lambda: time.time() > begun + 2)
        sluice.ctl("endpoint", "drain", other)
        again = time.time()
        replies = ask_many(sluice.port, [question("www.shop.example", "A")] * 50)
        expect(any(drained in addresses(reply) for reply in replies), "it was not handed out as the last resort")
        sluice.ctl("endpoint", "undrain", other)
        shown, said = waiting.communicate(timeout=DEADLINE_S)
    finally:
        waiting.kill()
        waiting.wait()
    expect_equal("exit code", waiting.returncode, 0)
    expect(time.time() >= again + TTL_S + 1, f"the wait ended {time.time() - again:.2f} s after an answer with a TTL of {TTL_S} s")
    expect_equal(f"times that it is said in {said!r}", said.count("handed out again meanwhile"), 1)
    expect("no cache that honours the TTL holds it any more" in shown, shown)


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

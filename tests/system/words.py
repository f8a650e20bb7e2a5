"""The operator's words: about many endpoints, for later, and what the daemon says when it is asked why."""

import json

from harness import Sluice, expect, expect_equal, poll, test
from queries import addresses, ask_many, question

WWW = question("www.shop.example", "A")
CONFIG = """
[pool.v1]
endpoints = ["127.0.1.1", "127.0.1.2"]
[pool.v2]
endpoints = ["127.0.2.1"]
[steer."www.shop.example"]
pools = { v1 = 90, v2 = 10 }
ttl = "1s"
[steer."api.shop.example"]
pools = { v1 = 1, v2 = 1 }
method = "sticky"
ttl = "1s"
"""
CHECKED = """
[check.web]
type = "tcp"
port = 1
interval = "1h"
timeout = "1s"
""" + CONFIG.replace("[pool.v1]", '[pool.v1]\ncheck = "web"')


def given(sluice, count=500):
    return {address for reply in ask_many(sluice.port, [WWW] * count) for address in addresses(reply)}


def word(sluice, address):
    said = sluice.endpoint(address)["word"]
    return said and said["word"]


@test
def a_pattern_drains_all_that_match_or_nothing(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    shown = sluice.ctl("endpoint", "drain", "127.0.1.*", "--reason", "rack", "--wait")
    for expected in ("2 endpoints: drained (rack); pool v1 has no other endpoint that serves", "127.0.1.1", "127.0.1.2",
                     "no cache that honours the TTL holds them any more"):
        expect(expected in shown, f"{expected!r} is not in\n{shown}")
    expect_equal("addresses", given(sluice), {"127.0.2.1"})
    refused = sluice.run_ctl("endpoint", "drain", "10.*")
    expect_equal("exit code", refused.returncode, 1)
    expect("no endpoint matches '10.*'; there is 127.0.1.1, 127.0.1.2, 127.0.2.1" in refused.stderr, refused.stderr)
    reply = json.loads(sluice.ctl("--json", "endpoint", "auto", "pool:v1"))
    expect_equal("endpoints of the reply", [one["address"] for one in reply["endpoints"]], ["127.0.1.1", "127.0.1.2"])
    expect_equal("addresses in the end", given(sluice), {"127.0.1.1", "127.0.1.2", "127.0.2.1"})


@test
def a_word_for_later_is_said_then_and_survives_a_restart(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    sluice.ctl("endpoint", "drain", "127.0.1.1", "--at", "+200ms", "--for", "1h", "--reason", "disk")
    poll("the drain", lambda: word(sluice, "127.0.1.1") == "drain")
    expect("127.0.1.1" not in given(sluice), "a drained address was given")

    sluice.ctl("endpoint", "down", "127.0.1.2", "--at", "+1h")
    sluice.ctl("endpoint", "auto", "127.0.1.1", "--at", "+300ms")
    sluice.process.kill()  # the last one comes due while nothing runs, or a moment later
    sluice.start()
    poll("the drain taken back", lambda: word(sluice, "127.0.1.1") is None)
    scheduled = sluice.endpoint("127.0.1.2")["scheduled"]
    expect_equal("scheduled words", [one["word"] for one in scheduled], ["down"])
    shown = sluice.ctl("status")
    expect("down at " in shown and ", by " in shown, f"status does not show the scheduled word:\n{shown}")
    taken = sluice.ctl("endpoint", "auto", "127.0.1.2")
    expect("1 scheduled word taken back" in taken, taken)
    expect_equal("scheduled words after auto", sluice.endpoint("127.0.1.2")["scheduled"], [])

    sluice.ctl("endpoint", "drain", "127.0.1.1")
    sluice.ctl("endpoint", "undrain", "127.0.1.1", "--at", "+200ms")
    poll("the drain taken back at its time", lambda: word(sluice, "127.0.1.1") is None)

    past = sluice.run_ctl("endpoint", "drain", "127.0.1.1", "--at", "2020-01-01T00:00:00Z")
    expect_equal("exit code", past.returncode, 1)
    expect("is over" in past.stderr, past.stderr)


@test
def explain_says_what_a_client_gets_and_why(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    sluice.ctl("endpoint", "drain", "127.0.1.1")
    shown = sluice.ctl("explain", "www.shop.example")
    for expected in ("www.shop.example. A", "steered in zone shop.example., random", "TTL 1s: the name's ttl", "drained by"):
        expect(expected in shown, f"{expected!r} is not in\n{shown}")
    sticky = json.loads(sluice.ctl("--json", "explain", "api.shop.example", "--client", "127.0.0.1"))
    answered = addresses(ask_many(sluice.port, [question("api.shop.example", "A")])[0])
    expect_equal("the client's answer", answered, sticky["slot"]["answer"])
    plain = sluice.ctl("explain", "shop.example", "--type", "AAAA")
    expect("not steered in zone shop.example." in plain, plain)


@test
def a_check_is_run_once_and_now(sandbox):
    sluice = Sluice(sandbox, CHECKED)
    sluice.start()
    shown = sluice.ctl("check", "run", "127.0.1.1")
    expect("127.0.1.1 port 1" in shown and "web" in shown, shown)
    probe = json.loads(sluice.ctl("--json", "check", "run", "127.0.1.1", "--check", "web"))["probes"][0]
    expect_equal("what was asked", (probe["check"], probe["asked"], probe["port"]), ("web", "127.0.1.1", 1))
    expect(probe["success"] is False or probe["error"], f"a port that nobody listens on: {probe}")
    refused = sluice.run_ctl("check", "run", "127.0.2.1")
    expect("there is nothing to run" in refused.stderr, refused.stderr)


@test
def a_word_for_some_time_gives_way_to_the_longer_one_again(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    sluice.ctl("endpoint", "drain", "127.0.1.1", "--reason", "disk")
    said = sluice.ctl("endpoint", "up", "127.0.1.1", "--for", "1h")
    expect("then drained again (disk)" in said, said)
    expect("127.0.1.1" in given(sluice), "an address that is held up was not given")
    sluice.process.kill()
    sluice.start()
    expect_equal("the word after a restart", word(sluice, "127.0.1.1"), "up")
    expect("then drained: by root: disk" in sluice.ctl("status"), "status does not show what holds again")
    sluice.ctl("endpoint", "up", "127.0.1.1", "--for", "1s")
    poll("the drain", lambda: word(sluice, "127.0.1.1") == "drain")
    expect("127.0.1.1" not in given(sluice), "a drained address was given")
    refused = sluice.run_ctl("endpoint", "down", "127.0.1.1", "--for", "0s")
    expect("'for' has to be at least 1s" in refused.stderr, refused.stderr)

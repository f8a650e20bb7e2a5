"""Presets, safety rules, freeze windows and versions by the real daemon, through sluicectl and the API."""

import json

from harness import Sluice, expect, expect_equal, test
from queries import ask

POOLS = """
[pool.v1]
endpoints = ["127.0.1.1", "127.0.1.2"]
[pool.v2]
endpoints = ["127.0.2.1"]
"""
ALWAYS = 'freeze = ["2020-01-01T00:00Z - 2200-01-01T00:00Z"]\n'
NAME = "www.shop.example"


def steer(rules=""):
    return POOLS + f"""
[rollout.careful]
steps = [10, 55, 100]
hold = "90s"
gates = true
[steer."{NAME}"]
pools = {{ v1 = 1, v2 = 0 }}
ttl = "2s"
{rules}"""


def start(sandbox, config):
    sluice = Sluice(sandbox, config)
    sluice.start()
    return sluice


def refused(sluice, reason, *arguments):
    result = sluice.run_ctl(*arguments)
    expect_equal(f"exit code of {' '.join(arguments)}", result.returncode, 1)
    expect(reason in result.stderr, f"{' '.join(arguments)}: expected '{reason}', got '{result.stderr}'")


def version(sluice):
    return sluice.status()["steers"][0]["version"]


def answered_ttl(sluice):
    return ask(sluice.port, NAME, "A").answer[0].ttl


def rollout(sluice):
    return json.loads(sluice.ctl("--json", "rollout", "status", NAME))["rollouts"][0]


@test
def a_preset_says_what_the_command_does_not(sandbox):
    sluice = start(sandbox, steer())
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--preset", "careful", "--hold", "7s")
    state = rollout(sluice)
    expect_equal("steps", [round(step, 4) for step in state["steps"]], [0.1, 0.55, 1])
    expect_equal("hold and gates", (state["hold_s"], state["gates"]), (7, True))


@test
def what_is_too_great_a_step_or_leaves_too_little_is_refused(sandbox):
    sluice = start(sandbox, steer('step_max = "50%"\nendpoints_min = 2\n'))
    refused(sluice, "step_max is 50 %", "weight", "set", NAME, "v2=2")
    refused(sluice, "step_max is 50 %", "bluegreen", "switch", NAME, "--to", "v2")
    refused(sluice, "endpoints_min is 2", "endpoint", "drain", "127.0.1.1")
    refused(sluice, "endpoints_min is 2", "rolling", "start", "v1")
    expect_equal("weights", sluice.weights(NAME), {"v1": 1, "v2": 0})
    sluice.ctl("weight", "set", NAME, "v2=1")
    sluice.ctl("endpoint", "drain", "127.0.1.1")


@test
def nothing_moves_in_a_freeze_but_by_an_operator_with_a_reason(sandbox):
    sluice = start(sandbox, steer(ALWAYS))
    refused(sluice, "frozen until 2200-01-01", "weight", "set", NAME, "v2=1")
    refused(sluice, "frozen until 2200-01-01", "canary", "start", NAME, "--to", "v2")
    refused(sluice, "frozen until 2200-01-01", "rolling", "start", "v1")
    refused(sluice, "needs a --reason", "weight", "set", NAME, "v2=1", "--override-freeze")
    sluice.ctl("weight", "set", NAME, "v2=1", "--override-freeze", "--reason", "v1 burns")
    expect("v1 burns" in sluice.events()[-1]["text"], "the event does not say why")
    refused(sluice, "frozen until 2200-01-01", "weight", "reset", NAME)
    sluice.ctl("weight", "reset", NAME, "--override-freeze", "--reason", "it is out")
    sluice.ctl("rolling", "start", "v1", "--override-freeze", "--reason", "a hole")
    refused(sluice, "needs a --reason", "rolling", "resume", "v1", "--override-freeze")
    sluice.ctl("rolling", "abort", "v1")
    sluice.ctl("endpoint", "drain", "127.0.1.1")
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--override-freeze", "--reason", "a fix")
    sluice.ctl("rollout", "abort", NAME)


@test
def classes_are_held_against_the_rules_like_weights(sandbox):
    everybody = '[class.everybody]\nprefixes = ["0.0.0.0/0", "::/0"]\n'
    sluice = start(sandbox, steer(ALWAYS + 'capacity_min = "60%"\n') + everybody)
    refused(sluice, "frozen until 2200-01-01", "class", "route", NAME, "everybody", "v2")
    seen = version(sluice)
    allowed = ("--override-freeze", "--reason", "v1 burns")
    sluice.ctl("class", "route", NAME, "everybody", "v2", "--if-version", str(seen), *allowed)
    expect_equal("version", version(sluice), seen + 1)
    expect("v1 burns" in sluice.events()[-1]["text"], "the event does not say why")
    refused(sluice, "frozen until 2200-01-01", "class", "unroute", NAME, "everybody")
    refused(sluice, "changed by", "class", "unroute", NAME, "everybody", "--if-version", str(seen), *allowed)
    sluice.ctl("class", "unroute", NAME, "everybody", *allowed)
    sluice.write_config(steer('capacity_min = "60%"\n') + everybody)
    sluice.ctl("reload")
    sluice.ctl("endpoint", "down", "127.0.2.1", "--reason", "it is out of answers")
    refused(sluice, "capacity_min is 60 %", "class", "route", NAME, "everybody", "v2")


@test
def of_two_operators_the_second_learns_of_the_first(sandbox):
    sluice = start(sandbox, steer())
    seen = version(sluice)
    sluice.ctl("weight", "set", NAME, "v2=1", "--if-version", str(seen))
    refused(sluice, f"is at version {seen + 1}, and not at {seen}; changed by",
            "weight", "set", NAME, "v2=2", "--if-version", str(seen))
    sluice.process.kill()
    sluice.start()
    expect_equal("version after kill -9", version(sluice), seen + 1)
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", "100", "--if-version", str(seen + 1))
    refused(sluice, "changed by", "rollout", "abort", NAME, "--if-version", str(seen + 1))
    sluice.ctl("rollout", "abort", NAME)
    expect(version(sluice) >= seen + 3, "the version has not grown")


@test
def the_ttl_falls_towards_a_scheduled_drain(sandbox):
    sluice = start(sandbox, steer().replace('ttl = "2s"', 'ttl = "1d"'))
    expect_equal("TTL", answered_ttl(sluice), 86_400)
    sluice.ctl("endpoint", "drain", "127.0.1.1", "--at", "+12h")
    expect_equal("TTL before the drain", answered_ttl(sluice), 32_768)
    explained = json.loads(sluice.ctl("--json", "explain", NAME))
    expect("drain of 127.0.1.1 is planned for" in explained["ttl_rule"], explained["ttl_rule"])
    sluice.ctl("endpoint", "auto", "127.0.1.1")
    expect_equal("TTL when it was taken back", answered_ttl(sluice), 86_400)

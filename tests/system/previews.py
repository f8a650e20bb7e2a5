"""Preview names and switches that are analysed first, by the real daemon."""

import json
import os

from harness import Sluice, expect, expect_equal, poll, run, steering, test
from queries import addresses, ask, ask_many, question

NAME = "www.shop.example"
PREVIEW = f"preview.{NAME}"
ADDRESSES = {"blue": "127.0.1.1", "green": "127.0.2.1", "red": "127.0.3.1"}
STEER = steering(NAME, {pool: (int(pool == "blue"), [address]) for pool, address in ADDRESSES.items()}, "2s") + "preview = true\n"
QUERIES = 50


def start(sandbox, config=STEER):
    sluice = Sluice(sandbox, config)
    sluice.start()
    return sluice


def pool_of(sluice, name):
    """The one that all answers come from."""
    found = {address for reply in ask_many(sluice.port, [question(name, "A")] * QUERIES) for address in addresses(reply)}
    expect(len(found) == 1, f"{name}: expected one address, got {found}")
    return {address: pool for pool, address in ADDRESSES.items()}[found.pop()]


def pools(sluice):
    return pool_of(sluice, NAME), pool_of(sluice, PREVIEW)


def rollout(sluice):
    return json.loads(sluice.ctl("--json", "rollout", "status", NAME))["rollouts"][0]


def await_phase(sluice, phase):
    poll(f"a rollout that is {phase}", lambda: rollout(sluice)["phase"] == phase)


def analysed(sandbox, verdict):
    """A config with an analysis whose exit status stands in a file."""
    status = sandbox.write("verdict", verdict)
    program = sandbox.write("judge", f'#!/bin/sh\nread code value <{status}\necho $value\nexit $code\n')
    os.chmod(program, 0o755)
    return STEER + f"""
[analysis.judge]
type = "exec"
command = ["{program}"]
interval = "200ms"
"""


@test
def a_preview_is_the_idle_side_and_follows_a_switch_and_its_undo(sandbox):
    sluice = start(sandbox, analysed(sandbox, "7 x"))  # which holds the switch until somebody promotes it
    expect_equal("at first", pools(sluice), ("blue", "green"))
    expect_equal("TTL of the preview", ask(sluice.port, PREVIEW, "A").answer[0].ttl, 1)
    sluice.ctl("bluegreen", "switch", NAME, "--to", "red", "--ttl", "1s", "--analysis", "judge")
    expect_equal("before the switch", pools(sluice), ("blue", "red"))
    sluice.ctl("rollout", "promote", NAME)
    expect_equal("after the switch", pools(sluice), ("red", "blue"))
    sluice.ctl("rollout", "undo", NAME)
    expect_equal("after the undo", pool_of(sluice, NAME), "blue")
    await_phase(sluice, "returned")
    expect_equal("at the end", pools(sluice), ("blue", "green"))
    sluice.ctl("weight", "set", NAME, "blue=1", "green=1")
    expect_equal("with two sides", pool_of(sluice, PREVIEW), "red")
    sluice.ctl("weight", "set", NAME, "red=1")
    reply = ask(sluice.port, PREVIEW, "A")
    expect_equal("rcode and answer without an idle side", (reply.rcode(), reply.answer), (0, []))
    expect("no pool is without weight" in sluice.ctl("explain", PREVIEW), "explain says why it is empty")


@test
def a_preview_is_there_after_kill_9_and_is_shown(sandbox):
    sluice = start(sandbox)
    sluice.ctl("bluegreen", "switch", NAME, "--to", "red", "--ttl", "1s")
    await_phase(sluice, "done")
    sluice.process.kill()
    sluice.start()
    expect_equal("after kill -9", pools(sluice), ("red", "blue"))
    for command in (("status",), ("status", PREVIEW), ("explain", PREVIEW)):
        shown = sluice.ctl(*command)
        expect(f"preview of {NAME}.: answered from blue, what rollout 1 has switched from" in shown, shown)
    refused = sluice.run_ctl("weight", "set", PREVIEW, "red=1")
    expect_equal("exit code of a change of its weights", refused.returncode, 1)
    expect("change that name, and it follows" in refused.stderr, refused.stderr)


@test
def a_preview_name_that_the_zone_has_is_refused(sandbox):
    sluice = Sluice(sandbox, STEER, more_zone="preview.www A 192.0.2.1\n")
    result = run([Sluice.program("sluiced"), "--check", sluice.config_path])
    expect_equal("exit code", result.returncode, 1)
    expect("preview.www.shop.example" in result.stdout + result.stderr, result.stdout + result.stderr)


@test
def a_switch_is_not_made_when_its_analysis_fails(sandbox):
    sluice = start(sandbox, analysed(sandbox, "1 0.2"))
    plan = sluice.ctl("bluegreen", "switch", NAME, "--to", "green", "--ttl", "1s", "--analysis", "judge", "--dry-run")
    expect("before the switch: judge" in plan and "idle green: 1 of 1 endpoints healthy" in plan, plan)
    sluice.ctl("bluegreen", "switch", NAME, "--to", "green", "--ttl", "1s", "--analysis", "judge")
    await_phase(sluice, "returned")
    expect_equal("reason", rollout(sluice)["reason"], "analysis judge has failed: exit status 1: 0.2")
    expect_equal("weights", sluice.weights(NAME), {"blue": 1, "green": 0, "red": 0})
    expect_equal("after it", pools(sluice), ("blue", "green"))
    kinds = [event["kind"] for event in sluice.events() if event["kind"].startswith("rollout.")]
    expect_equal("events", [kind for kind in kinds if kind != "rollout.wait"], ["rollout.start", "rollout.analysis", "rollout.abort"])


@test
def a_switch_is_made_when_its_analysis_has_passed(sandbox):
    sluice = start(sandbox, analysed(sandbox, "7 x"))
    sluice.ctl("bluegreen", "switch", NAME, "--to", "green", "--ttl", "1s", "--analysis", "judge")
    poll("errors", lambda: rollout(sluice)["analyses"][0]["errors"] >= 3)
    poll("that it says what it waits for", lambda: any("before the switch" in event["text"] for event in sluice.events()))
    expect_equal("meanwhile", (rollout(sluice)["phase"], *pools(sluice)), ("arming", "blue", "green"))
    sandbox.write("verdict", "0 0.01")
    await_phase(sluice, "done")
    expect_equal("after it", pools(sluice), ("green", "blue"))

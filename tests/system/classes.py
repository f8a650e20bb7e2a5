"""Classes of clients by the real daemon: led to a pool by config, by command, over kill -9, and by a canary's first step."""

import json

from harness import Sluice, expect, expect_equal, poll, steering, test
from queries import ask_many, question
from shares import share_of_v2

NAME = "www.shop.example"
CONFIG = steering(NAME, {"v1": (1, ["127.0.1.1"]), "v2": (0, ["127.0.2.1"])}, "2s") + """classes = { there = "v2" }
[class.here]
prefixes = ["127.0.0.0/8"]
[class.there]
prefixes = ["10.0.0.0/8"]
"""
QUERIES = 200


def start(sandbox, config=CONFIG):
    sluice = Sluice(sandbox, config)
    sluice.start()
    return sluice


def answered(sluice):
    return share_of_v2(ask_many(sluice.port, [question(NAME, "A")] * QUERIES))


def classes(sluice):
    return {one["class"]: (one["pool"], one["by"] is not None) for one in sluice.status()["steers"][0]["classes"]}


@test
def a_class_is_led_and_let_go(sandbox):
    sluice = start(sandbox)
    expect_equal("share before", answered(sluice), 0)
    expect_equal("classes before", classes(sluice), {"there": ("v2", False)})
    dry = sluice.ctl("class", "route", NAME, "here", "v2", "--dry-run")
    expect("the weights -> v2" in dry, f"a dry run says: {dry}")
    expect_equal("share after a dry run", answered(sluice), 0)
    sluice.ctl("class", "route", NAME, "here", "v2")
    expect_equal("share when the command has returned", answered(sluice), 100)
    sluice.process.kill()
    sluice.start()
    expect_equal("share after kill -9", answered(sluice), 100)
    expect_equal("classes", classes(sluice), {"here": ("v2", True), "there": ("v2", False)})
    expect("class here to v2 (by" in sluice.ctl("status", NAME), "status does not show the class")
    explained = sluice.ctl("explain", NAME, "--client", "127.3.0.0/16")
    expect("class here by 127.0.0.0/8: pool v2, whatever its share" in explained, f"explain says: {explained}")
    sluice.ctl("endpoint", "down", "127.0.2.1")
    expect_equal("share while the pool is down", answered(sluice), 0)
    sluice.ctl("endpoint", "auto", "127.0.2.1")
    sluice.ctl("class", "unroute", NAME, "here")
    expect_equal("share at the end", answered(sluice), 0)
    expect_equal("classes at the end", classes(sluice), {"there": ("v2", False)})
    kinds = [event["kind"] for event in sluice.events() if event["kind"].startswith("class.")]
    expect_equal("events", kinds, ["class.route", "class.unroute"])
    refused = sluice.run_ctl("class", "route", NAME, "heer", "v2")
    expect_equal("exit code of a class that does not exist", refused.returncode, 1)
    expect("did you mean 'here'?" in refused.stderr, refused.stderr)


@test
def a_reload_brings_and_takes_classes(sandbox):
    sluice = start(sandbox)
    sluice.write_config(CONFIG.replace("127.0.0.0/8", "127.128.0.0/9").replace("10.0.0.0/8", "127.0.0.0/16"))
    sluice.ctl("reload")
    expect_equal("share when the prefixes are others", answered(sluice), 100)
    sluice.write_config(CONFIG.replace('classes = { there = "v2" }', ""))
    sluice.ctl("reload")
    expect_equal("share without a route", answered(sluice), 0)


@test
def a_canary_leads_its_class_first(sandbox):
    sluice = start(sandbox)
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--class", "here", "--steps", "50,100", "--hold", "0s", "--ttl", "1s", "--gates")

    def rollout():
        return json.loads(sluice.ctl("--json", "rollout", "status", NAME))["rollouts"][0]
    expect_equal("share while the TTL is lowered", answered(sluice), 0)
    poll("the gate behind the step of the class", lambda: rollout()["phase"] == "gated")
    expect_equal("share of the class", answered(sluice), 100)
    expect_equal("share of the others", rollout()["share"], 0)
    expect_equal("weights", sluice.weights(NAME), {"v1": 1, "v2": 0})
    expect("class here" in sluice.ctl("rollout", "status", NAME), "the steps do not show the class")
    refused = sluice.run_ctl("class", "unroute", NAME, "here")
    expect_equal("exit code of a change of the class meanwhile", refused.returncode, 1)
    sluice.process.kill()
    sluice.start()
    expect_equal("share after kill -9", answered(sluice), 100)
    sluice.ctl("rollout", "promote", NAME)
    expect_equal("share of the others after a promote", rollout()["share"], 0.5)
    expect_equal("share of the class then", answered(sluice), 100)
    sluice.ctl("rollout", "abort", NAME)
    expect_equal("share after the abort", answered(sluice), 0)
    expect_equal("classes after the abort", classes(sluice), {"there": ("v2", False)})

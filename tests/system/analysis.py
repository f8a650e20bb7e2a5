"""Rollouts that are watched: by a real Prometheus that scrapes two real web servers, by a program, and by a webhook."""

import http.server
import json
import os
import shutil
import threading
import urllib.request

from harness import Skip, Sluice, expect, expect_equal, free_port, make_certificate, poll, steering, test
from notify import Receiver
from queries import addresses, ask_many, question

NAME = "www.shop.example"
POOLS = {"v1": "127.0.1.1", "v2": "127.0.2.1"}
CONFIG = steering(NAME, {"v1": (1, [POOLS["v1"]]), "v2": (0, [POOLS["v2"]])}, "1s")
ERRORS = """
[analysis.errors]
type = "prometheus"
url = "http://127.0.0.1:{port}"
interval = "500ms"
query = 'sum(rate(shop_requests_total{{pool="{{pool}}",code="500"}}[2s])) / sum(rate(shop_requests_total{{pool="{{pool}}"}}[2s]))'
max = 0.05
samples = 'sum(increase(shop_requests_total{{pool="{{pool}}"}}[2s]))'
samples_min = 10
"""


class Shop(http.server.ThreadingHTTPServer):
    """One version of the shop: every fifth request fails while `faulty`; /metrics tells Prometheus."""

    def __init__(self, pool, port):
        super().__init__((POOLS[pool], port), Page)
        self.pool, self.faulty, self.counts, self.lock = pool, False, {200: 0, 500: 0}, threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def serve_one(self):
        with self.lock:
            code = 500 if self.faulty and sum(self.counts.values()) % 5 == 0 else 200
            self.counts[code] += 1
            return code

    def metrics(self):
        with self.lock:
            return "".join(f'shop_requests_total{{pool="{self.pool}",code="{code}"}} {count}\n' for code, count in self.counts.items())


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        is_metrics = self.path == "/metrics"
        body = (self.server.metrics() if is_metrics else "hello\n").encode()
        self.send_response(200 if is_metrics else self.server.serve_one())
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def start_prometheus(sandbox, targets):
    program = shutil.which("prometheus")
    if program is None:
        raise Skip("there is no prometheus on this machine")
    port = free_port()
    config = sandbox.write("prometheus.yml", f"""
global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}
scrape_configs:
  - job_name: shop
    static_configs: [{{ targets: {json.dumps(targets)} }}]
""")
    process = sandbox.start("prometheus", [program, f"--config.file={config}", f"--storage.tsdb.path={sandbox.path('tsdb')}",
                                           f"--web.listen-address=127.0.0.1:{port}"], cwd=sandbox.folder)

    def is_ready():
        expect(process.alive(), "prometheus ended")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as reply:
                return reply.status == 200
        except OSError:
            return False
    poll("a prometheus that is ready", is_ready)
    return port


class World:
    """The two shops, Prometheus, and sluiced, whose answers the shops' customers follow."""

    def __init__(self, sandbox):
        self.port = free_port(tuple(POOLS.values()))
        self.shops = {pool: Shop(pool, self.port) for pool in POOLS}
        prometheus = start_prometheus(sandbox, [f"{address}:{self.port}" for address in POOLS.values()])
        self.sluice = Sluice(sandbox, CONFIG + ERRORS.format(port=prometheus))
        self.sluice.start()
        self.sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", "25,50,100", "--hold", "1s", "--ttl", "1s",
                        "--analysis", "errors")

    def shopping(self):
        """Forty customers, each of whom asks where to go and goes there."""
        for reply in ask_many(self.sluice.port, [question(NAME, "A")] * 40):
            try:
                with urllib.request.urlopen(f"http://{next(iter(addresses(reply)))}:{self.port}/", timeout=5) as page:
                    page.read()
            except urllib.error.HTTPError:
                pass

    def follow(self, each_time):
        """Goes shopping until the rollout is over."""
        def is_over():
            self.shopping()
            state = rollout(self.sluice)
            each_time(state)
            return state["phase"] in ("done", "returned") and state
        return poll("the end of the rollout", is_over, 30)

    def close(self):
        for shop in self.shops.values():
            shop.shutdown()
            shop.server_close()


def rollout(sluice):
    return json.loads(sluice.ctl("--json", "rollout", "status", NAME))["rollouts"][0]


def events_of(sluice, kind):
    return [event["text"] for event in sluice.events() if event["kind"] == kind]


@test
def a_canary_whose_metrics_are_good_ends(sandbox):
    world = World(sandbox)
    try:
        state = world.follow(lambda _: None)
    finally:
        world.close()
    expect_equal("phase", state["phase"], "done")
    analysis = state["analyses"][0]
    expect(analysis["successes"] >= 1 and analysis["failures"] == 0, f"analysis: {analysis}")
    expect_equal("value and threshold", (analysis["value"], analysis["threshold"]), (0, 0.05))
    sandbox.note(world.sluice.ctl("rollout", "status", NAME).strip())


@test
def a_canary_whose_metrics_go_bad_at_its_second_step_is_aborted(sandbox):
    world = World(sandbox)

    def spoil(state):
        world.shops["v2"].faulty = state["step"] == 1
    try:
        state = world.follow(spoil)
    finally:
        world.close()
    expect_equal("phase and step", (state["phase"], state["step"]), ("returned", 1))
    expect("analysis errors has failed: 0." in state["reason"] and "more than the max of 0.05" in state["reason"],
           f"reason: {state['reason']}")
    expect(state["analyses"][0]["value"] > 0.05, f"value: {state['analyses']}")
    expect_equal("weights", world.sluice.weights(NAME), {"v1": 1, "v2": 0})
    aborts = events_of(world.sluice, "rollout.abort")
    expect(len(aborts) == 1 and state["reason"] in aborts[0], f"events: {aborts}")
    shown = world.sluice.ctl("rollout", "status", NAME)
    expect(f"because: {state['reason']}" in shown and "1 failures (1 abort)" in shown, shown)
    sandbox.note(shown.strip())


@test
def a_program_aborts_at_the_gate_also_after_kill_9(sandbox):
    verdict = sandbox.write("verdict", "0 0.01")
    program = sandbox.write("analyse", f"""#!/bin/sh
echo "$SLUICE_ANALYSIS of $SLUICE_NAME: $SLUICE_POOL instead of $SLUICE_OLD at $SLUICE_SHARE"
read code value <{verdict}
echo $value
exit $code
""")
    os.chmod(program, 0o755)
    sluice = Sluice(sandbox, CONFIG + f"""
[analysis.program]
type = "exec"
command = ["{program}"]
interval = "300ms"
failures_max = 3
""")
    sluice.start()
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", "50,100", "--hold", "0s", "--ttl", "1s", "--gates",
               "--analysis", "program")

    def analysis():
        return rollout(sluice)["analyses"][0]
    poll("the gate", lambda: rollout(sluice)["phase"] == "gated")
    expect_equal("verdict and value", (analysis()["verdict"], analysis()["value"]), ("success", 0.01))
    sandbox.write("verdict", "7 x")
    poll("an error", lambda: analysis()["errors"] >= 1)
    expect_equal("phase with errors", rollout(sluice)["phase"], "gated")
    sandbox.write("verdict", "1 0.2")
    poll("a failure", lambda: analysis()["failures"] >= 1)
    before = analysis()
    sluice.process.kill()
    sluice.start()
    after = analysis()
    for key in ("successes", "failures", "errors"):
        expect(after[key] >= before[key], f"{key} before and after kill -9: {before[key]}, {after[key]}")
    poll("the end", lambda: rollout(sluice)["phase"] == "returned")
    expect_equal("reason", rollout(sluice)["reason"], "analysis program has failed: exit status 1: 0.2")
    expect_equal("failures", analysis()["failures"], 3)


@test
def a_webhook_that_has_no_data_yet_holds(sandbox):
    asked = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # pylint: disable=invalid-name
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if len(asked) < 3 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        sluice = Sluice(sandbox, CONFIG + f"""
[analysis.hook]
type = "webhook"
url = "http://127.0.0.1:{server.server_port}/judge?deep=1"
interval = "200ms"
""")
        sluice.start()
        sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", "100", "--hold", "0s", "--ttl", "1s", "--analysis", "hook")
        poll("the end", lambda: rollout(sluice)["phase"] == "done")
        server.shutdown()
    expect_equal("counts", [rollout(sluice)["analyses"][0][key] for key in ("successes", "inconclusive", "failures")], [1, 2, 0])
    expect_equal("what it is told", asked[0], {"analysis": "hook", "name": NAME, "pool": "v2", "old": ["v1"], "rollout": 1, "step": 1,
                                               "steps": 1, "share": 1})


@test
def a_webhook_over_tls_is_believed_by_its_authority_only(sandbox):
    make_certificate(sandbox, "receiver", "127.0.0.1")
    judge = Receiver(tls=sandbox.path("receiver")).start()

    def config(ca):
        return CONFIG + f"""
[analysis.hook]
type = "webhook"
url = "https://127.0.0.1:{judge.port}/judge"
interval = "200ms"
{ca}
"""
    sluice = Sluice(sandbox, config(""))
    sluice.start()
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", "100", "--hold", "0s", "--ttl", "1s", "--analysis", "hook")
    poll("an error", lambda: "not one that is trusted" in rollout(sluice)["analyses"][0]["text"])
    expect_equal("requests", judge.requests, [])
    sluice.write_config(config('ca = "receiver.pem"'))
    sluice.ctl("reload")
    poll("the end", lambda: rollout(sluice)["phase"] == "done")
    expect_equal("what it is told", judge.taken[0]["analysis"], "hook")
    judge.stop()

"""A canary of 1, 5, 25, 50 and 100 %: a good version goes through, a bad one is aborted.

Two web servers, v1 and v2, behind sluiced; clients resolve through unbounds, whose zone shop.example is sluiced's, and connect anew for
each request. Their requests and failures are counted by version, and a Prometheus that scrapes these counts is asked by an analysis. From the
step of 25 % on the bad v2 fails 5 % of its requests.
"""

import http.server
import os
import threading

import stage
from analysis import Page, start_prometheus
from harness import Sluice, expect, expect_equal, free_port, steering, web_check
from queries import addresses, ask_many, question
from stage import NAME, Transcript, Web, say

POOLS = {"v1": "127.0.1.1", "v2": "127.0.2.1"}
STEPS = (1, 5, 25, 50, 100)
BAD_FROM = STEPS.index(25)
COUNT = 'sum(increase(shop_requests_total{{pool="{{pool}}"{}}}[10s]))'
UNLUCKY = "split_clients $request_id $unlucky { 5% 1; * 0; }"
LIMIT_S = 600  # for what takes one to two minutes


def config(port, prometheus):
    pools = {"v1": (1, [POOLS["v1"]]), "v2": (0, [POOLS["v2"]])}
    return web_check(port) + steering(NAME, pools, "10s", "web") + f"""
[analysis.errors]
type = "prometheus"
url = "http://127.0.0.1:{prometheus}"
interval = "1s"
query = '{COUNT.format(',outcome="failed"')} / {COUNT.format("")}'
max = 0.02
samples = '{COUNT.format("")}'
samples_min = 30
"""


def fail_while(path):
    """Of a web server: while there is such a file, those that are unlucky fail, but no checks."""
    return f"""set $fate $unlucky;
    if (-f {path}) {{ set $fate "${{fate}} faulty"; }}
    if ($uri = /healthz) {{ set $fate check; }}
    if ($fate = "1 faulty") {{ return 500; }}"""


def add_arguments(parser):
    stage.add_client_arguments(parser, rate=400, resolvers=20)
    parser.add_argument("--hold", default="5s", help="of each step (5s)")
    parser.add_argument("--ttl", default="2s", help="while the canary runs (2s)")


class Exporter(http.server.ThreadingHTTPServer):
    """Tells Prometheus what the clients have counted."""

    def __init__(self, port, clients):
        super().__init__(("127.0.0.1", port), Page)
        self.clients = clients
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def metrics(self):
        replies, failed = self.clients.counts()
        counts = {(pool, "served"): replies[pool] for pool in POOLS} | {(pool, "failed"): failed[POOLS[pool]] for pool in POOLS}
        return "".join(f'shop_requests_total{{pool="{pool}",outcome="{outcome}"}} {count}\n' for (pool, outcome), count in counts.items())

    def close(self):
        self.shutdown()
        self.server_close()


class World:
    def __init__(self, options, sandbox):
        port, exporter_port = free_port(("127.0.0.1", *POOLS.values())), free_port()
        self.fault = sandbox.path("v2-fails")
        for server in (Web(sandbox, POOLS["v1"], port, "v1"),
                       Web(sandbox, POOLS["v2"], port, "v2", http=UNLUCKY, server=fail_while(self.fault))):
            server.start()
        self.sluice = Sluice(sandbox, config(port, start_prometheus(sandbox, [f"127.0.0.1:{exporter_port}"])))
        self.sluice.start()
        stage.await_health(self.sluice, POOLS.values())
        self.resolvers = stage.start_resolvers(sandbox, self.sluice.port, options.resolvers)
        self.clients = stage.start_clients(options, self.resolvers, port)
        self.exporter = Exporter(exporter_port, self.clients)

    def close(self):
        self.clients.end()
        self.exporter.close()

    def set_fault(self, is_faulty):
        if is_faulty:
            with open(self.fault, "w", encoding="ascii"):
                pass
        elif os.path.exists(self.fault):
            os.remove(self.fault)

    def traffic(self):
        replies, failed = self.clients.counts()
        return ", ".join(f"{pool} {replies[pool]:,} served {failed[POOLS[pool]]:,} failed" for pool in POOLS)

    def given_to_v2(self):
        """How many of 1,000 answers of sluiced's own."""
        replies = ask_many(self.sluice.port, [question(NAME, "A")] * 1000)
        return sum(addresses(reply) == [POOLS["v2"]] for reply in replies)

    def run_canary(self, options, each_time):
        """Its last state."""
        transcript = Transcript(self.sluice)
        self.sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", ",".join(map(str, STEPS)), "--hold", options.hold, "--ttl",
                        options.ttl, "--analysis", "errors")
        state = {}

        def is_over():
            state.update(stage.rollout(self.sluice))
            each_time(state)
            return not state["running"]

        def standing():
            answered = state["answered_share"]
            return (f"{state['phase']}, {state['to']} set to {100 * state['share']:.3g} %, answered "
                    f"{'nobody' if answered is None else f'{100 * answered:.3g} %'} since; clients: {self.traffic()}")
        transcript.follow("the end of the canary", is_over, LIMIT_S, standing)
        stage.shown(self.sluice, "rollout", "status", NAME)
        return state


def show_bad(options, world):
    say("== v2 fails 5 % of its requests from the step of 25 % on")

    def spoil(state):
        world.set_fault(state["step"] >= BAD_FROM)
    state = world.run_canary(options, spoil)
    expect_equal("phase at the end", state["phase"], "returned")
    expect(state["step"] >= BAD_FROM and "analysis errors has failed: " in state["reason"], f"aborted at step {state['step'] + 1}: {state['reason']}")
    expect_equal("answers of 1,000 that lead to v2", world.given_to_v2(), 0)
    through = [ask_many(port, [question(NAME, "A", recursive=True)])[0] for port in world.resolvers]
    expect_equal("where the resolvers lead to", {address for reply in through for address in addresses(reply)}, {POOLS["v1"]})
    return state["reason"]


def show_good(options, world):
    say("== v2 is good")
    state = world.run_canary(options, lambda _: None)
    expect_equal("phase at the end", state["phase"], "done")
    expect_equal("answers of 1,000 that lead to v2", world.given_to_v2(), 1000)


def run(options, sandbox):
    world = World(options, sandbox)
    try:
        reason = show_bad(options, world)
        say(f"{'':18} the fault in v2 is mended")
        world.set_fault(False)
        failed_before = len(world.clients.failures)
        show_good(options, world)
        expect_equal("failed requests of the good canary", world.clients.failures[failed_before:], [])
    finally:
        world.close()
    return f"the bad version was aborted ({reason}), the good one has 100 %"

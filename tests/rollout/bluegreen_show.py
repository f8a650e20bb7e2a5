"""A blue/green switch, an undo, a switch and a switch back under load: no request may fail.

Clients resolve through unbounds and connect anew for each request. As soon as a switch is said to be done, the server of the side that
was left is stopped: whoever still had its address would notice. It is started again before the next switch. Before and after each
one the preview name is asked, and leads to the other side.
"""

import urllib.request

import stage
from harness import Sluice, expect, expect_equal, free_port, poll, steering, web_check
from queries import addresses, ask_many, question
from stage import NAME, Transcript, Web, say

POOLS = {"blue": "127.0.1.1", "green": "127.0.2.1"}
OTHER = {"blue": "green", "green": "blue"}
LIMIT_S = 120  # for a switch, which takes some seconds
REQUESTS_BETWEEN = 500  # while one side is stopped


def config(options, port):
    weights = {"blue": 1, "green": 0}
    pools = {pool: (weights[pool], [address]) for pool, address in POOLS.items()}
    return web_check(port) + steering(NAME, pools, options.ttl, "web") + "preview = true\n"


def add_arguments(parser):
    stage.add_client_arguments(parser, rate=400, resolvers=8)
    parser.add_argument("--ttl", default="4s", help="of the name (4s)")
    parser.add_argument("--switch-ttl", default="2s", help="during a switch (2s)")
    parser.add_argument("--grace", default="0s", help="for resolvers that keep answers longer than they may (0s)")
    parser.add_argument("--rounds", type=int, default=2, help="of a switch, an undo, a switch and a switch back (2)")


class World:
    def __init__(self, options, sandbox):
        port = free_port(("127.0.0.1", *POOLS.values()))
        self.servers = {pool: Web(sandbox, address, port, pool) for pool, address in POOLS.items()}
        for server in self.servers.values():
            server.start()
        self.options, self.port = options, port
        self.sluice = Sluice(sandbox, config(options, port))
        self.sluice.start()
        stage.await_health(self.sluice, POOLS.values())
        self.transcript = Transcript(self.sluice)
        self.clients = stage.start_clients(options, stage.start_resolvers(sandbox, self.sluice.port, options.resolvers), port)

    def traffic(self):
        replies, failed = self.clients.counts()
        return ", ".join(f"{pool} {replies[pool]:,}" for pool in POOLS) + f", {sum(failed.values()):,} failed"

    def await_requests(self, count):
        wanted = self.clients.requests + count
        poll("requests", lambda: self.clients.requests >= wanted)

    def expect_preview(self, pool):
        """Who asks the preview name now is answered by this side's server."""
        address, = addresses(ask_many(self.sluice.port, [question(f"preview.{NAME}", "A")])[0])
        with urllib.request.urlopen(f"http://{address}:{self.port}/", timeout=5) as page:
            expect_equal("page of the preview", page.read().decode().strip(), pool)
        say(f"{'':18} preview.{NAME} is {pool}")

    def lead(self, to, phase, *command):
        """By this command; then nobody needs the other side."""
        self.expect_preview(to)
        say(f"== all to {to}: sluicectl {' '.join(command)}")
        self.sluice.ctl(*command)
        state = self.transcript.follow(f"all to {to}", lambda: (state := stage.rollout(self.sluice)) and not state["running"] and state,
                                       LIMIT_S, self.traffic)
        expect_equal("phase", state["phase"], phase)
        self.expect_preview(OTHER[to])
        self.do_without(OTHER[to])

    def do_without(self, pool):
        server = self.servers[pool]
        server.stop()
        say(f"{'':18} {pool} is stopped")
        self.await_requests(REQUESTS_BETWEEN)
        server.start()
        stage.await_health(self.sluice, [POOLS[pool]])
        say(f"{'':18} {pool} is back; {self.traffic()}")

    def switch(self, to):
        self.lead(to, "done", "bluegreen", "switch", NAME, "--to", to, "--ttl", self.options.switch_ttl, "--grace", self.options.grace)

    def undo(self):
        self.lead("blue", "returned", "rollout", "undo", NAME)


def run(options, sandbox):
    world = World(options, sandbox)
    try:
        for _ in range(options.rounds):
            world.switch("green")
            world.undo()
            world.switch("green")
            world.switch("blue")
    finally:
        world.clients.end()
    failures = world.clients.failures
    expect(not failures, f"{len(failures)} of {world.clients.requests} requests failed:\n" + "\n".join(failures[:5]))
    return f"0 of {world.clients.requests:,} requests failed in {4 * options.rounds} switches"

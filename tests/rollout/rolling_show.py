"""Rolling upgrades of four web servers under at least 20,000 requests, and the same by plain restarts.

The hook restarts each server as its next version: its port is closed, and open again after --begins. Clients resolve through unbounds and
connect anew for each request. Upgrades follow one another until there are requests enough: none may fail. Then the same servers are restarted
as often and at the same distance, but without draining, for comparison.
"""

import time

import stage
from harness import Sluice, expect, expect_equal, free_port, poll, steering, web_check
from rolling import Deployer
from stage import NAME, Release, Transcript, say

ADDRESSES = tuple(f"127.0.1.{number}" for number in range(1, 5))
POOL = "shop"
LIMIT_S = 300  # for one upgrade, which takes some 20 s
SHOWN_FAILURES = 5


def config(options, port):
    return web_check(port) + steering(NAME, {POOL: (1, ADDRESSES)}, options.ttl, "web")


def add_arguments(parser):
    stage.add_client_arguments(parser, rate=600, resolvers=8)
    parser.add_argument("--requests", type=int, default=20_000, help="at least, during upgrades, and again during restarts (20,000)")
    parser.add_argument("--ttl", default="2s", help="of the name (2s)")
    parser.add_argument("--grace", default="0s", help="for resolvers that keep answers longer than they may (0s)")
    parser.add_argument("--begins", type=float, default=0.5, help="seconds that a version needs until it listens (0.5)")


class World:
    def __init__(self, options, sandbox):
        port = free_port(("127.0.0.1", *ADDRESSES))
        self.servers = {address: Release(sandbox, address, port, begins_s=options.begins) for address in ADDRESSES}
        for server in self.servers.values():
            server.start()
        self.sluice = Sluice(sandbox, config(options, port))
        self.sluice.start()
        stage.await_health(self.sluice, ADDRESSES)
        self.deployer = Deployer(sandbox, self.servers)
        self.resolvers = stage.start_resolvers(sandbox, self.sluice.port, options.resolvers)
        self.options, self.port = options, port

    def start_clients(self):
        return stage.start_clients(self.options, self.resolvers, self.port)

    def upgrade(self, clients):
        transcript = Transcript(self.sluice)
        self.sluice.ctl("rolling", "start", POOL, "--hook", self.deployer.hook, "--batch", "1", "--grace", self.options.grace)

        def standing():
            state = stage.rolling(self.sluice, POOL)
            return f"{state['phase']}; clients: {traffic(clients)}"
        phase = transcript.follow("the end of the upgrade",
                                  lambda: (state := stage.rolling(self.sluice, POOL)) and not state["running"] and state["phase"], LIMIT_S, standing)
        expect_equal("phase of the rolling", phase, "done")

    def restart_all(self, distance_s):
        """Plainly, and with so much time from one to the next."""
        for address, server in self.servers.items():
            began = time.monotonic()
            server.kill()
            server.start()
            stage.await_health(self.sluice, [address])
            time.sleep(max(0.0, began + distance_s - time.monotonic()))


def traffic(clients):
    replies, failed = clients.counts()
    return ", ".join(f"{version} {count:,}" for version, count in sorted(replies.items())) + f", {sum(failed.values()):,} failed"


def upgrades(options, world):
    """How many, and how long one took, of which no request failed."""
    clients, count, began = world.start_clients(), 0, time.monotonic()
    try:
        while count == 0 or clients.requests < options.requests:
            count += 1
            say(f"== upgrade {count}")
            world.upgrade(clients)
    finally:
        took_s = (time.monotonic() - began) / count
        clients.end()
    say(f"{count} upgrades of {len(ADDRESSES)} servers: {clients.requests:,} requests, {len(clients.failures)} failed")
    expect(not clients.failures, f"{len(clients.failures)} of {clients.requests} requests failed:\n" + "\n".join(clients.failures[:SHOWN_FAILURES]))
    return count, took_s, clients.requests


def plain_restarts(options, world, count, upgrade_s):
    clients = world.start_clients()
    try:
        for number in range(count):
            world.restart_all(upgrade_s / len(ADDRESSES))
            say(f"{number + 1} times restarted: {traffic(clients)}")
        poll("requests enough", lambda: clients.requests >= options.requests, LIMIT_S)
    finally:
        clients.end()
    for failure in clients.failures[:SHOWN_FAILURES]:
        say(f"   {failure}")
    expect(clients.failures, "plain restarts failed no request, either: the comparison shows nothing")
    return len(clients.failures), clients.requests


def run(options, sandbox):
    world = World(options, sandbox)
    count, upgrade_s, requests = upgrades(options, world)
    say("== the same by plain restarts")
    failed, plain_requests = plain_restarts(options, world, count, upgrade_s)
    return f"0 of {requests:,} requests failed in {count} upgrades; {failed} of {plain_requests:,} by plain restarts"

"""The checker's own network fails: nothing is pruned, the operator is told, and all is well when it is back.

Everything runs in a network namespace of its own; the web servers are in a second one, behind a pair of veth devices:

    [ sluiced  10.99.0.1 veth0 ]------[ veth1 10.99.0.10, .11, .20  nginx ]
      nginx

The one beside the checker answers all the time, at an address that does not say that it is there.

Executed with a folder of binaries as its argument, this file is the part inside the first namespace.
"""

import os
import subprocess
import sys
import time

import harness
from harness import Nginx, Sandbox, Skip, Sluice, expect, expect_equal, poll, test
from queries import Asker, question

V1, V2 = ("10.99.0.10", "10.99.0.11"), ("10.99.0.20",)
OWN = "10.99.0.1"
INTERVAL_S = 0.5
FALL = 2
WWW = question("www.shop.example", "A")
NOBODY = "02:00:00:00:00:99"


def ip(*arguments, inside=None):
    prefix = ["nsenter", "-t", str(inside), "-n"] if inside else []
    subprocess.run([*prefix, "ip", *arguments], check=True, capture_output=True)


class FarNginx(Nginx):
    """In the second namespace."""

    def __init__(self, sandbox, address, port, inside):
        super().__init__(sandbox, address, port)
        self.inside = inside

    def start(self):
        argv = ["nsenter", "-t", str(self.inside), "-n", "/usr/sbin/nginx", "-p", self.home + "/", "-c", "nginx.conf", "-e", "stderr", "-g", "user root;"]
        self.process = self.sandbox.start(f"nginx-{self.address}", argv)
        def accepts():
            expect(self.process.alive(), f"nginx at {self.address}: {self.process.log()}")
            return self.accepts()
        poll(f"nginx at {self.address}", accepts)


def config(port):
    return f"""
[check.web]
type = "http"
port = {port}
path = "/healthz"
interval = "{int(INTERVAL_S * 1000)}ms"
timeout = "250ms"
fall = {FALL}
hold_down = "0s"
[pool.v1]
check = "web"
endpoints = ["{V1[0]}", "{V1[1]}"]
[pool.v2]
check = "web"
endpoints = ["{V2[0]}"]
[pool.own]
check = "web"
endpoints = ["{OWN}"]
[steer."www.shop.example"]
pools = {{ v1 = 90, v2 = 10 }}
"""


def connect(sandbox):
    """The process that holds the second namespace."""
    holder = sandbox.start("holder", ["unshare", "-n", "sleep", "600"]).popen.pid
    own = os.readlink("/proc/self/ns/net")
    poll("the second namespace", lambda: os.readlink(f"/proc/{holder}/ns/net") != own)
    ip("link", "set", "lo", "up")
    ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1", "netns", str(holder))
    ip("addr", "add", "10.99.0.1/24", "dev", "veth0")
    ip("link", "set", "veth0", "up")
    for address in V1 + V2:
        ip("addr", "add", f"{address}/24", "dev", "veth1", inside=holder)
    ip("link", "set", "veth1", "up", inside=holder)
    return holder


def verdicts(sluice):
    return {sluice.endpoint(address)["health"] for address in V1 + V2}


def expect_held(sluice, asker):
    """Over more rounds than take an endpoint out."""
    for _ in range(FALL + 2):
        seen = [sluice.endpoint(address)["last"]["at"] for address in V1 + V2]
        poll("another round", lambda seen=seen: all(sluice.endpoint(address)["last"]["at"] != at for address, at in zip(V1 + V2, seen)))
    expect_equal("verdicts", verdicts(sluice), {"up"})
    given = {address for _ in range(500) for address in asker.addresses(WWW)}
    expect_equal("addresses in answers", given, set(V1 + V2))


def a_network_that_drops_everything(sluice, asker):
    for address in V1 + V2:
        ip("neigh", "replace", address, "lladdr", NOBODY, "dev", "veth0", "nud", "permanent")
    poll("the checker is suspected", lambda: sluice.status()["checker"]["suspected_since"])
    expect_held(sluice, asker)
    event = next(event for event in reversed(sluice.events()) if event["kind"] == "checker.suspected")
    print("event:", event["text"])
    restored = time.monotonic()
    for address in V1 + V2:
        ip("neigh", "del", address, "dev", "veth0")
    poll("it is trusted again", lambda: not sluice.status()["checker"]["suspected_since"])
    print(f"trusted again after {time.monotonic() - restored:.3f} s; the interval is {INTERVAL_S} s")
    expect_equal("verdicts", verdicts(sluice), {"up"})


def a_dead_pool_in_a_network_that_is_well(sluice):
    """The last result that a verdict waits for comes from another pool, and does so at once."""
    address = V2[0]
    ip("neigh", "replace", address, "lladdr", NOBODY, "dev", "veth0", "nud", "permanent")
    began = time.monotonic()
    poll("the silent endpoint is down", lambda: sluice.endpoint(address)["health"] == "down")
    print(f"down {time.monotonic() - began:.3f} s after it fell silent; fall x interval is {FALL * INTERVAL_S} s")
    expect(not sluice.status()["checker"]["suspected_since"], "the checker is suspected of one dead endpoint")
    ip("neigh", "del", address, "dev", "veth0")
    poll("all endpoints up again", lambda: verdicts(sluice) == {"up"})


def no_route(sluice, asker):
    ip("link", "set", "veth0", "down")
    poll("trouble is told of", lambda: sluice.status()["checker"]["trouble"])
    print("trouble:", sluice.status()["checker"]["trouble"])
    expect_equal("verdicts", verdicts(sluice), {"up"})
    expect(asker.addresses(WWW), "an answer was empty")
    ip("link", "set", "veth0", "up")
    seen = sluice.endpoint(V2[0])["last"]["at"]
    poll("probes succeed again", lambda: sluice.endpoint(V2[0])["last"]["at"] != seen and sluice.endpoint(V2[0])["last"]["success"])
    expect_equal("verdicts", verdicts(sluice), {"up"})


def inside(build):
    harness.Options.build = build
    sandbox = Sandbox("network")
    try:
        holder = connect(sandbox)
        port = 8080
        for address in V1 + V2:
            FarNginx(sandbox, address, port, holder).start()
        FarNginx(sandbox, OWN, port, os.getpid()).start()
        sluice = Sluice(sandbox, config(port))
        sluice.start()
        poll("all endpoints up", lambda: verdicts(sluice) == {"up"})
        with Asker(sluice.port) as asker:
            a_dead_pool_in_a_network_that_is_well(sluice)
            a_network_that_drops_everything(sluice, asker)
            no_route(sluice, asker)
    finally:
        sandbox.close()
    return 0


@test
def a_checker_without_a_network_prunes_nothing(sandbox):
    if subprocess.run(["unshare", "-rn", "true"], check=False).returncode != 0:
        raise Skip("this machine allows no network namespaces")
    result = subprocess.run(["unshare", "-rn", sys.executable, os.path.abspath(__file__), harness.Options.build], capture_output=True,
                            text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    expect(result.returncode == 0, result.stdout + result.stderr)
    for line in result.stdout.splitlines():
        sandbox.note(line)


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1]))

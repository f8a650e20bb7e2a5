"""What the shows share: web servers that say their version, resolvers, and the transcript of what Sluice says that it does."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import harness  # pylint: disable=wrong-import-position
from clients import Clients  # pylint: disable=wrong-import-position
from queries import question  # pylint: disable=wrong-import-position
from resolver import start_unbound  # pylint: disable=wrong-import-position

NAME = "www.shop.example"


def say(text):
    """A line of the transcript."""
    now = time.time()
    print(f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03}  {text}", flush=True)


class Web(harness.Nginx):
    """A web server whose page says its version."""

    def __init__(self, sandbox, address, port, version, **more):  # pylint: disable=too-many-arguments
        super().__init__(sandbox, address, port, **more)
        self.write_page(f"{version}\n")

    def stop(self):
        """Returns when nobody listens there any more."""
        self.process.terminate()
        harness.poll(f"the end of {self.address}", lambda: not self.accepts())


class Release(Web):
    """Each restart is an upgrade to the next version, which needs some time until it listens, as services do."""

    def __init__(self, sandbox, address, port, begins_s):
        super().__init__(sandbox, address, port, "v1")
        self.begins_s, self.version = begins_s, 1

    def kill(self):
        self.stop()
        self.version += 1
        self.write_page(f"v{self.version}\n")

    def start(self):
        time.sleep(self.begins_s if self.version > 1 else 0)
        return super().start()


def start_resolvers(sandbox, port, count):
    """The ports of that many unbounds, which ask sluiced at `port` for the shop's zone."""
    return [start_unbound(sandbox, port, f"unbound{number + 1}") for number in range(count)]


def start_clients(options, resolvers, port):
    return Clients(question(NAME, "A", recursive=True), resolvers, port, options.workers, options.rate, "/")


def add_client_arguments(parser, rate, resolvers):
    parser.add_argument("--rate", type=int, default=rate, help=f"requests a second ({rate})")
    parser.add_argument("--workers", type=int, default=20, help="clients, each of which makes one request after the other (20)")
    parser.add_argument("--resolvers", type=int, default=resolvers, help=f"unbounds, each with a cache of its own ({resolvers})")


def await_health(sluice, addresses, health="up"):
    for address in addresses:
        harness.poll(f"{address} {health}", lambda one=address: sluice.endpoint(one)["health"] == health)


def rollout(sluice):
    return json.loads(sluice.ctl("--json", "rollout", "status", NAME))["rollouts"][0]


def rolling(sluice, pool):
    return json.loads(sluice.ctl("--json", "rolling", "status", pool))["rollings"][0]


class Transcript:
    """Says what events there were since it last looked, and every second how it stands."""

    def __init__(self, sluice, kinds=("rollout.", "rolling.", "endpoint.")):
        self.sluice, self.kinds = sluice, kinds
        self.seen = max((event["id"] for event in sluice.events()), default=0)
        self.told = 0.0

    def look(self, how_it_stands=None):
        events = [event for event in self.sluice.events() if event["id"] > self.seen]
        for event in events:
            self.seen = event["id"]
            if event["kind"].startswith(self.kinds):
                say(f"{event['kind']:18} {event['text']}")
        if how_it_stands and time.monotonic() >= self.told + 1:
            self.told = time.monotonic()
            say(f"{'':18} {how_it_stands()}")

    def follow(self, what, is_over, seconds, how_it_stands=None):
        """Until the first true value of `is_over()`, which it returns."""
        def look():
            value = is_over()
            self.look(how_it_stands)
            return value
        value = harness.poll(what, look, seconds)
        self.look()
        return value


def shown(sluice, *command):
    """As an operator would see it."""
    print("$ sluicectl " + " ".join(command), flush=True)
    print("".join(f"  {line}\n" for line in sluice.ctl(*command).splitlines()), end="", flush=True)

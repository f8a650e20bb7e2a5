"""tools/bench fleet: 100,000 steered names of three pools with four endpoints each.

    memory     of the daemon for each name, over that of one with no steers
    change     from when `sluicectl weight set` is started to the first answer by the new weights, less the time that
               `sluicectl` takes to start and do nothing (--help); and the same change over an open connection to the API
    rate       queries that are answered while 1,000 changes a second are made, beside the same without changes

With --shared all names share three pools; else each has three of its own.
"""

import os
import random
import socket
import statistics
import subprocess
import threading
import time

import peers
from common import Server, harness, message, run_load, write_queries

POOLS, ENDPOINTS = 3, 4
OPERATORS = 3  # who make changes at the same time: one waits for the disk after each


def add_arguments(parser):
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--shared", action="store_true", help="three pools for all names")
    parser.add_argument("--trials", type=int, default=200, help="changes that are timed")
    parser.add_argument("--changes", type=int, default=1000, help="a second, while queries are counted")
    parser.add_argument("--seconds", type=float, default=5.0, help="of counting queries")
    parser.add_argument("--rate", type=int, default=100_000, help="queries a second, while they are counted")


def label(number):
    return f"s{number:06}"


def address(pool_number, endpoint):
    number = pool_number * ENDPOINTS + endpoint + 1
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def pool_number(options, name, pool):
    return pool if options.shared else name * POOLS + pool


def steers(options):
    """More of sluice.toml: all traffic goes to the first pool of each name."""
    for number in range(POOLS if options.shared else POOLS * options.names):
        endpoints = ", ".join(f'"{address(number, endpoint)}"' for endpoint in range(ENDPOINTS))
        yield f"[pool.p{number}]\nendpoints = [{endpoints}]\n"
    for name in range(options.names):
        pools = ", ".join(f"p{pool_number(options, name, pool)} = {1 if pool == 0 else 0}" for pool in range(POOLS))
        yield f'[steer."{label(name)}.{peers.ZONE}"]\npools = {{ {pools} }}\n'


class Fleet:
    def __init__(self, options, sandbox):
        self.options = options
        self.server = Server(sandbox, "Sluice", options.build, "", folder="fleet", cpus=(0, 1), more="".join(steers(options)))
        self.server.await_answer()
        self.socket_path = os.path.join(self.server.folder, "admin.sock")
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.settimeout(1)
        self.client.connect((peers.ADDRESS, self.server.port))
        self.active = {}  # name -> the pool that has all of the weight

    def pool_answered(self, name):
        """Which pool's address the daemon answers for a name now."""
        self.client.send(message(f"{label(name)}.{peers.ZONE}", "A"))
        reply = self.client.recv(4096)
        at = reply.index(b"\xc0\x0c\x00\x01\x00\x01")
        number = int.from_bytes(reply[at + 13:at + 16], "big") - 1
        return number // ENDPOINTS - pool_number(self.options, name, 0)

    def next_weights(self, name):
        pool = (self.active.get(name, 0) + 1) % POOLS
        self.active[name] = pool
        return pool, {f"p{pool_number(self.options, name, other)}": int(other == pool) for other in range(POOLS)}

    def time_change(self, name, change):
        """Seconds from the call of `change` to the first answer by its weights."""
        pool, weights = self.next_weights(name)
        started = time.monotonic()
        finish = change(f"{label(name)}.{peers.ZONE}", weights)
        while self.pool_answered(name) != pool:
            harness.expect(time.monotonic() < started + 10, f"{label(name)} is not answered by its new weights")
        took = time.monotonic() - started
        finish()
        return took

    def ctl(self, *arguments):
        return subprocess.Popen([os.path.join(self.options.build, "sluicectl"), "--socket", self.socket_path, *arguments],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def change_by_cli(self, name, weights):
        process = self.ctl("weight", "set", name, *(f"{pool}={weight}" for pool, weight in weights.items()))

        def finish():
            error = process.communicate()[1]
            harness.expect(process.returncode == 0, f"sluicectl weight set: {error}")
        return finish

    def start_of_cli(self):
        started = time.monotonic()
        self.ctl("--help").communicate()
        return time.monotonic() - started

    def time_changes(self):
        chance = random.Random(3)
        api = harness.Api(self.socket_path)

        def change_by_api(name, weights):
            status, body = api.set_weights(name, weights)
            harness.expect(status == 200, f"the API said {status}: {body}")
            return lambda: None
        samples = {"cli": [], "start": [], "api": []}
        for _ in range(self.options.trials):
            samples["start"].append(self.start_of_cli())
            samples["cli"].append(self.time_change(chance.randrange(self.options.names), self.change_by_cli))
            samples["api"].append(self.time_change(chance.randrange(self.options.names), change_by_api))
        return samples

    def make_changes(self, over, counts, operator):
        """As many a second as was asked for of each operator, in bursts of a millisecond. Each has names of its own."""
        api, chance = harness.Api(self.socket_path), random.Random(operator)
        started = time.monotonic()
        made = 0
        while not over.is_set():
            due = int((time.monotonic() - started) * self.options.changes / OPERATORS)
            for _ in range(due - made):
                name = chance.randrange(self.options.names // OPERATORS) * OPERATORS + operator
                status, body = api.set_weights(f"{label(name)}.{peers.ZONE}", self.next_weights(name)[1])
                harness.expect(status == 200, f"the API said {status}: {body}")
                made += 1
            time.sleep(0.001)
        counts.append(made / (time.monotonic() - started))

    def count_queries(self, sandbox, changing):
        questions = [(label(number), "A") for number in random.Random(5).sample(range(self.options.names), min(self.options.names, 50_000))]
        queries, _ = write_queries(sandbox, 0, questions)
        over, counts = threading.Event(), []
        changers = [threading.Thread(target=self.make_changes, args=(over, counts, operator)) for operator in range(OPERATORS if changing else 0)]
        for changer in changers:
            changer.start()
        result = run_load(self.options.build, self.server.port, queries, self.options.seconds, "--rate", self.options.rate)
        over.set()
        for changer in changers:
            changer.join()
        result["changes_per_second"] = sum(counts)
        return result


def quantiles(samples):
    ordered = sorted(samples)
    return {"p50": ordered[len(ordered) // 2] * 1000, "p99": ordered[int(len(ordered) * 0.99)] * 1000, "max": ordered[-1] * 1000}


def run(options, sandbox):
    empty = Server(sandbox, "Sluice", options.build, "", folder="empty")
    empty.await_answer()
    started = time.monotonic()
    fleet = Fleet(options, sandbox)
    ready_s = time.monotonic() - started
    octets = (fleet.server.resident_kib() - empty.resident_kib()) * 1024 / options.names
    print(f"{options.names:,} names, pools {'shared' if options.shared else 'of their own'}: first answer after {ready_s:.2f} s, "
          f"{octets:,.0f} octets a name")
    changes = {kind: quantiles(samples) for kind, samples in fleet.time_changes().items()}
    for kind, title in (("start", "sluicectl --help"), ("cli", "weight set to first answer"), ("api", "the same by the API")):
        print(f"  {title:28}" + "  ".join(f"{name} {value:.2f} ms" for name, value in changes[kind].items()))
    print(f"  beyond the start: p50 {changes['cli']['p50'] - changes['start']['p50']:.2f} ms, "
          f"p99 {changes['cli']['p99'] - changes['start']['p99']:.2f} ms")
    still, changing = fleet.count_queries(sandbox, False), fleet.count_queries(sandbox, True)
    print(f"  queries/s: {still['rate']:,.0f} without changes (lost {still['lost']}, p99 {still['p99']:.0f} us), {changing['rate']:,.0f} "
          f"with {changing['changes_per_second']:,.0f} changes a second (lost {changing['lost']}, p99 {changing['p99']:.0f} us)")
    return {"octets_per_name": octets, "ready_s": ready_s, "changes_ms": changes, "still": still, "changing": changing}

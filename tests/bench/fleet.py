"""tools/bench fleet: 100,000 steered names of three pools with four endpoints each.

    memory     of the daemon for each name, over that of one with no steers
    change     from when `sluicectl weight set` has started, which is when it has sent its request, to the first answer by
               the new weights. The request is sent to us, and we pass it on: what that takes is counted, too. Beside it the
               time that sluicectl needs to start, and the same change over an open connection to the API
    rate       queries that are answered while 1,000 changes a second are made, beside the same without changes

With --shared all names share three pools; else each has three of its own.
"""

import contextlib
import json
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import time

import peers
from common import Server, harness, message, run_load, write_queries

POOLS, ENDPOINTS = 3, 4
OPERATORS = 3  # who make changes at the same time: one waits for the disk after each
BETWEEN_QUESTIONS_S = 50e-6  # how exactly changes are timed; without a pause, asking takes a CPU from what is measured


def add_arguments(parser):
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--shared", action="store_true", help="three pools for all names")
    parser.add_argument("--rounds", type=int, default=5, help="of timing changes; shown are the medians of their quantiles")
    parser.add_argument("--trials", type=int, default=1000, help="changes that are timed in a round")
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


def steers(options, ttl):
    """More of sluice.toml: all traffic goes to the first pool of each name."""
    for number in range(POOLS if options.shared else POOLS * options.names):
        endpoints = ", ".join(f'"{address(number, endpoint)}"' for endpoint in range(ENDPOINTS))
        yield f"[pool.p{number}]\nendpoints = [{endpoints}]\n"
    for name in range(options.names):
        pools = ", ".join(f"p{pool_number(options, name, pool)} = {1 if pool == 0 else 0}" for pool in range(POOLS))
        yield f'[steer."{label(name)}.{peers.ZONE}"]\npools = {{ {pools} }}\nttl = "{ttl}"\n'


class Relay:
    """A socket to which a CLI sends its request, so that we see when it does."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.settimeout(10)
        self.listener.bind(path)
        self.listener.listen()

    @contextlib.contextmanager
    def accept(self, daemon_path):
        """The next request, which has been received but not passed on."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
            daemon.settimeout(10)
            daemon.connect(daemon_path)
            client = self.listener.accept()[0]
            with client:
                client.settimeout(10)
                yield Request(client, daemon)


class Request:
    def __init__(self, client, daemon):
        self.client, self.daemon = client, daemon
        self.text = client.recv(4096)  # one write of the CLI

    def pass_on(self):
        self.daemon.sendall(self.text)

    def pass_back(self):
        while reply := self.daemon.recv(4096):
            self.client.sendall(reply)


class Operator:
    """Of the API, by no more than is needed: what makes changes shares the CPUs with what is measured."""

    def __init__(self, path):
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.settimeout(10)
        self.connection.connect(path)

    def set_weights(self, name, weights):
        body = json.dumps({"weights": weights})
        self.connection.sendall(f"PUT /v1/steer/{name}/weights HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        reply = self.connection.recv(65536)  # one write of the daemon
        harness.expect(reply.startswith(b"HTTP/1.1 200 "), f"the API said {reply}")


class Fleet:
    def __init__(self, options, sandbox, ttl="30s"):
        self.options = options
        self.server = Server(sandbox, "Sluice", options.build, "", folder="fleet", cpus=(0, 1), more="".join(steers(options, ttl)))
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

    def next_pool(self, name):
        self.active[name] = (self.active.get(name, 0) + 1) % POOLS
        return self.active[name]

    def next_weights(self, name):
        pool = self.next_pool(name)
        return pool, {f"p{pool_number(self.options, name, other)}": int(other == pool) for other in range(POOLS)}

    def await_weights(self, name, pool):
        end = time.monotonic() + 10
        while self.pool_answered(name) != pool:
            harness.expect(time.monotonic() < end, f"{label(name)} is not answered by its new weights")
            time.sleep(BETWEEN_QUESTIONS_S)

    def time_change_by_api(self, api, name):
        """Seconds from the request to the first answer by its weights."""
        pool, weights = self.next_weights(name)
        started = time.monotonic()
        status, body = api.set_weights(f"{label(name)}.{peers.ZONE}", weights)
        harness.expect(status == 200, f"the API said {status}: {body}")
        self.await_weights(name, pool)
        return time.monotonic() - started

    def time_change_by_cli(self, relay, name):
        """Seconds that sluicectl took to start, and from then to the first answer by the new weights."""
        pool, weights = self.next_weights(name)
        started = time.monotonic()
        process = subprocess.Popen([os.path.join(self.options.build, "sluicectl"), "--socket", relay.path, "weight", "set",
                                    f"{label(name)}.{peers.ZONE}", *(f"{pool}={weight}" for pool, weight in weights.items())],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        with relay.accept(self.socket_path) as request:
            sent = time.monotonic()
            request.pass_on()
            self.await_weights(name, pool)
            answered = time.monotonic()
            request.pass_back()
        error = process.communicate()[1]
        harness.expect(process.returncode == 0, f"sluicectl weight set: {error}")
        return sent - started, answered - sent

    def time_changes(self):
        """Each kind's quantiles, in ms, round by round."""
        chance = random.Random(3)
        api, relay = harness.Api(self.socket_path), Relay(os.path.join(self.server.folder, "relay.sock"))
        rounds = {"start": [], "cli": [], "api": []}
        for _ in range(self.options.rounds):
            samples = {kind: [] for kind in rounds}
            for _ in range(self.options.trials):
                start, change = self.time_change_by_cli(relay, chance.randrange(self.options.names))
                samples["start"].append(start)
                samples["cli"].append(change)
                samples["api"].append(self.time_change_by_api(api, chance.randrange(self.options.names)))
            for kind, results in rounds.items():
                results.append(quantiles(samples[kind]))
        return rounds

    def make_changes(self, over, rates, operator):
        """As many a second as was asked for of each operator, in bursts of a millisecond. Each has names of its own, and is a
        process of its own: threads of one wait for one another."""
        api, chance = Operator(self.socket_path), random.Random(operator)
        started = time.monotonic()
        made = 0
        while not over.is_set():
            due = int((time.monotonic() - started) * self.options.changes / OPERATORS)
            for _ in range(due - made):
                name = chance.randrange(self.options.names // OPERATORS) * OPERATORS + operator
                api.set_weights(f"{label(name)}.{peers.ZONE}", self.next_weights(name)[1])
                made += 1
            time.sleep(0.001)
        rates.put(made / (time.monotonic() - started))

    def count_queries(self, sandbox, changing):
        questions = [(label(number), "A") for number in random.Random(5).sample(range(self.options.names), min(self.options.names, 50_000))]
        queries, _ = write_queries(sandbox, 0, questions)
        over, rates = multiprocessing.Event(), multiprocessing.Queue()
        changers = [multiprocessing.Process(target=self.make_changes, args=(over, rates, operator)) for operator in range(OPERATORS if changing else 0)]
        for changer in changers:
            changer.start()
        result = run_load(self.options.build, self.server.port, queries, self.options.seconds, "--rate", self.options.rate)
        over.set()
        result["changes_per_second"] = sum(rates.get(timeout=30) for _ in changers)
        for changer in changers:
            changer.join()
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
    changes = fleet.time_changes()
    for kind, title in (("start", "sluicectl's start"), ("cli", "from there to first answer"), ("api", "the same by the API")):
        print(f"  {title:28}" + "  ".join(f"{name} {statistics.median(result[name] for result in changes[kind]):.2f} ms"
                                          for name in ("p50", "p99", "max")))
    still, changing = fleet.count_queries(sandbox, False), fleet.count_queries(sandbox, True)
    print(f"  queries/s: {still['rate']:,.0f} without changes (lost {still['lost']}, p99 {still['p99']:.0f} us), {changing['rate']:,.0f} "
          f"with {changing['changes_per_second']:,.0f} changes a second (lost {changing['lost']}, p99 {changing['p99']:.0f} us)")
    return {"octets_per_name": octets, "ready_s": ready_s, "changes_ms": changes, "still": still, "changing": changing}

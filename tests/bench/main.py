"""Sluice beside other nameservers, on loopback. Called by tools/bench.

Each server has CPU 0 for itself, what generates load has CPU 1. All are started at once and asked in turn, round after round, each first
as often as any other, so that what else the machine does falls on all alike. Shown are medians over the rounds:

    queries/s   answered, with as many under way as the server can take (tests/bench/load)
    CPU us      of the server alone, user and system, for each query, at that load
    dnsperf     the same with dnsperf, which needs more CPU for a query than the servers do: it is the generator that is at
                its limit, and the server works on few queries at a time

and the ratios of CPU time to that of gdnsd and to that of the floor: a program that sends back what comes, and no nameserver.
"""

import argparse
import json
import os
import random
import re
import socket
import statistics
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import harness  # pylint: disable=wrong-import-position
import peers  # pylint: disable=wrong-import-position

SERVER_CPU, LOAD_CPU = 0, 1
NAMES = 100_000
LARGE = 40  # A records of one name: about 690 octets
EDNS_SIZE = 1232
TYPES = {"A": 1, "MX": 15, "AAAA": 28}


def pin(cpu):
    if cpu in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {cpu})


def records():
    """Beside peers.HEAD."""
    lines = [f"many A 198.51.100.{number + 1}" for number in range(LARGE)]
    lines += [f"h{number:06} A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(NAMES)]
    return "\n".join(lines) + "\n"


def mixed():
    """Eight of ten names exist; of those one in eight is asked for what it does not have."""
    chance = random.Random(1)
    kinds = [("h", "A")] * 7 + [("h", "AAAA"), ("x", "A"), ("x", "AAAA")]
    for _ in range(2 * NAMES):
        letter, rdtype = chance.choice(kinds)
        yield f"{letter}{chance.randrange(NAMES):06}", rdtype


CASES = {
    "steered A": [("www", "A")],
    "plain A": [("host", "A")],
    "NXDOMAIN": [("nothing", "A")],
    "large answer": [("many", "A")],
    "100,000 names": list(mixed()),
}


def message(name, rdtype):
    """With EDNS, as resolvers ask; id 0."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + struct.pack("!2H", TYPES[rdtype], 1)
    return struct.pack("!6H", 0, 0, 1, 0, 0, 1) + question + b"\0" + struct.pack("!HHIH", 41, EDNS_SIZE, 0, 0)


def write_queries(sandbox, number, questions):
    """(for load, for dnsperf)"""
    wire = sandbox.path(f"{number}.queries")
    with open(wire, "wb") as out:
        for name, rdtype in questions:
            query = message(f"{name}.{peers.ZONE}", rdtype)
            out.write(struct.pack("!H", len(query)) + query)
    return wire, sandbox.write(f"{number}.txt", "".join(f"{name}.{peers.ZONE} {rdtype}\n" for name, rdtype in questions))


class Server:
    """One of peers.SERVERS, running; `options` are its own."""

    def __init__(self, sandbox, name, build, text, **options):
        self.name = name
        self.port = harness.free_port()
        folder = sandbox.path(name)
        os.makedirs(folder)
        argv = peers.SERVERS[name](build, folder, self.port, text, **options)
        self.process = sandbox.start(name, argv, cwd=folder, start_new_session=True, preexec_fn=lambda: pin(SERVER_CPU))

    def await_answer(self):
        query = message(f"host.{peers.ZONE}", "A")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.1)
            client.connect((peers.ADDRESS, self.port))

            def answered():
                harness.expect(self.process.alive(), f"{self.name} has ended:\n{self.process.log()[-3000:]}")
                try:
                    client.send(query)
                    reply = client.recv(4096)
                    return reply[3] & 15 == 0 and reply[7] == 1
                except OSError:
                    return False
            harness.poll(f"{self.name} answers", answered, 60)

    def processes(self):
        """Of its session: some servers work in children."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="utf-8") as text:
                        if int(text.read().rsplit(")", 1)[1].split()[3]) == self.process.popen.pid:
                            found.append(entry)
                except OSError:
                    pass  # it has ended
        return found

    def cpu_us(self):
        """What all of its threads have used so far, user and system."""
        total = 0
        for process in self.processes():
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/schedstat", encoding="utf-8") as text:
                    total += int(text.read().split()[0])
        return total / 1000

    def resident_kib(self):
        total = 0
        for process in self.processes():
            with open(f"/proc/{process}/smaps_rollup", encoding="utf-8") as text:
                total += int(re.search(r"^Pss:\s+(\d+)", text.read(), re.MULTILINE)[1])
        return total


def run_load(build, port, queries, seconds, *arguments):
    argv = [os.path.join(build, "tests/bench/load"), str(port), queries, str(seconds), *map(str, arguments)]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, preexec_fn=lambda: pin(LOAD_CPU)).stdout)


def run_dnsperf(port, queries, seconds):
    argv = ["dnsperf", "-s", peers.ADDRESS, "-p", str(port), "-d", queries, "-l", str(seconds), "-c", "4", "-T", "1", "-q", "500", "-t", "1", "-e"]
    text = subprocess.run(argv, check=True, capture_output=True, text=True, preexec_fn=lambda: pin(LOAD_CPU)).stdout
    return {"answered": int(re.search(r"Queries completed:\s+(\d+)", text)[1]),
            "rate": float(re.search(r"Queries per second:\s+([\d.]+)", text)[1]), "lost": int(re.search(r"Queries lost:\s+(\d+)", text)[1])}


def measure(server, generate):
    """What the generator says, and `cpu_us` for each query."""
    before = server.cpu_us()
    result = generate()
    result["cpu_us"] = (server.cpu_us() - before) / max(result["answered"], 1)
    return result


class Bench:
    def __init__(self, options, sandbox):
        self.options = options
        self.sandbox = sandbox
        self.queries = {case: write_queries(sandbox, number, questions) for number, (case, questions) in enumerate(CASES.items())
                        if case in options.cases}
        text = records()
        self.servers = [Server(sandbox, name, options.build, text) for name in peers.SERVERS if name in options.servers]
        for server in self.servers:
            server.await_answer()
        self.samples = {}  # (case, server) -> results

    def run(self):
        for turn in range(-1, self.options.rounds):  # the first one warms up and is not counted
            for case in self.queries:
                at = turn % len(self.servers)
                for server in self.servers[at:] + self.servers[:at]:
                    self.take(turn, case, server)
            print(f"round {turn + 1} of {self.options.rounds}" if turn >= 0 else "warmed up", file=sys.stderr, flush=True)

    def take(self, turn, case, server):
        seconds = self.options.seconds if turn >= 0 else 0.3
        wire, text = self.queries[case]
        result = {"load": measure(server, lambda: run_load(self.options.build, server.port, wire, seconds))}
        if not self.options.no_dnsperf:
            result["dnsperf"] = measure(server, lambda: run_dnsperf(server.port, text, max(seconds, 1)))
        if turn >= 0:
            self.samples.setdefault((case, server.name), []).append(result)

    def table(self):
        """{case: {server: figures}}; medians."""
        table = {}
        for (case, name), results in self.samples.items():
            row = {}
            for generator in results[0]:
                for figure in ("rate", "cpu_us", "lost"):
                    row[f"{generator}_{figure}"] = statistics.median(result[generator][figure] for result in results)
            if case == "steered A" and name not in peers.WEIGHTED:
                row["note"] = "plain record"
            if case != "steered A" and name == "floor":
                row["note"] = "one A record, whatever is asked"
            table.setdefault(case, {})[name] = row
        for rows in table.values():
            for row in rows.values():
                for peer in ("gdnsd", "floor"):
                    if peer in rows:
                        for key in [key for key in row if key.endswith("cpu_us")]:
                            row[f"{key}_to_{peer}"] = row[key] / rows[peer][key]
        return table


def show(table):
    columns = [("queries/s", "load_rate", "{:,.0f}"), ("CPU us", "load_cpu_us", "{:.3f}"), ("to gdnsd", "load_cpu_us_to_gdnsd", "{:.2f}"),
               ("to floor", "load_cpu_us_to_floor", "{:.2f}"), ("dnsperf q/s", "dnsperf_rate", "{:,.0f}"),
               ("CPU us", "dnsperf_cpu_us", "{:.3f}"), ("to gdnsd", "dnsperf_cpu_us_to_gdnsd", "{:.2f}"),
               ("to floor", "dnsperf_cpu_us_to_floor", "{:.2f}")]
    for case, rows in table.items():
        print(f"\n{case:14}" + "".join(f"{title:>13}" for title, _, _ in columns))
        for name, row in rows.items():
            cells = "".join(f"{form.format(row[key]) if key in row else '-':>13}" for _, key, form in columns)
            print(f"  {name:12}{cells}  {row.get('note', '')}")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__.split("\n")[0])
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--json", metavar="FILE", help="where all figures go, those of each round, too")
    parser.add_argument("--servers", nargs="+", default=list(peers.SERVERS), choices=list(peers.SERVERS), metavar="SERVER")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--no-dnsperf", action="store_true")
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    sandbox = harness.Sandbox("bench")
    try:
        bench = Bench(options, sandbox)
        bench.run()
        table = bench.table()
        show(table)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as out:
                samples = [{"case": case, "server": name, "rounds": results} for (case, name), results in bench.samples.items()]
                json.dump({"seconds": options.seconds, "medians": table, "samples": samples}, out, indent=1)
    finally:
        sandbox.close()


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"tools/bench: {failure}")

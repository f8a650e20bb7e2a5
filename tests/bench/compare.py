"""tools/bench compare: Sluice beside other nameservers.

All are started at once and asked in turn, another one first in each round, so that what else the machine does falls on all alike. Shown are medians over the rounds:

    queries/s   answered, with as many under way as the server can take (tests/bench/load)
    CPU us      of the server alone, user and system, for each query, at that load
    dnsperf     the same with dnsperf, which needs more CPU for a query than the servers do: it is the generator that is at
                its limit, and the server works on few queries at a time

The queries come from --sockets sockets. Sluice sends the replies of a batch that go to one socket in one message, so that the
fewer there are the less its answers cost; with --sockets 4096 hardly any has two in a batch.

and the ratios of CPU time to that of gdnsd and to that of the floor: a program that sends back what comes, and no nameserver.
"""

import statistics
import sys

import peers
from common import CASES, LARGE, Server, harness, measure, records, run_dnsperf, run_load, write_queries


DNSPERF_SOCKETS_MAX = 256  # its own limit
COMPARED = [case for case in CASES if case != "dual-stack A"]


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
            self.check_answers(server)
        self.samples = {}  # (case, server) -> results

    def check_answers(self, server):
        """Whoever refuses, or answers what was not asked for, would be fast. The floor does."""
        for case in self.queries if server.name != "floor" else ():
            name, rdtype = CASES[case][0]
            rcode, answers = server.ask(name, rdtype)
            expected = (3, 0) if case == "NXDOMAIN" else (0, LARGE if case == "large answer" else 1 if rdtype == "A" else 0)
            harness.expect(name.startswith("x") or (rcode, answers) == expected,
                           f"{server.name}: {case}: {name}: expected (RCODE, answers) {expected}, got {(rcode, answers)}")

    def run(self):
        for turn in range(-1, self.options.rounds):  # the first one warms up and is not counted
            for case in self.queries:
                at = turn % len(self.servers)
                for server in self.servers[at:] + self.servers[:at]:
                    self.take(turn, case, server)
            print(f"round {turn + 1} of {self.options.rounds}" if turn >= 0 else "warmed up", file=sys.stderr, flush=True)

    def sockets(self):
        return "--sockets", self.options.sockets, "--window", max(512, self.options.sockets)

    def take(self, turn, case, server):
        seconds = self.options.seconds if turn >= 0 else 0.3
        wire, text = self.queries[case]
        result = {"load": measure(server, lambda: run_load(self.options.build, server.port, wire, seconds, *self.sockets()))}
        harness.expect(result["load"]["errors"] == 0, f"{server.name}: {case}: {result['load']['errors']} errors")
        if not self.options.no_dnsperf:
            result["dnsperf"] = measure(server, lambda: run_dnsperf(server.port, text, max(seconds, 1), min(self.options.sockets, DNSPERF_SOCKETS_MAX)))
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


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--servers", nargs="+", default=list(peers.SERVERS), choices=list(peers.SERVERS), metavar="SERVER")
    parser.add_argument("--cases", nargs="+", default=COMPARED, choices=list(CASES), metavar="CASE")
    parser.add_argument("--sockets", type=int, default=4)
    parser.add_argument("--no-dnsperf", action="store_true")


def run(options, sandbox):
    bench = Bench(options, sandbox)
    bench.run()
    table = bench.table()
    show(table)
    samples = [{"case": case, "server": name, "rounds": results} for (case, name), results in bench.samples.items()]
    return {"seconds": options.seconds, "medians": table, "samples": samples}

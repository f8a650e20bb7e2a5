"""tools/bench latency: how long answers take at half of what each server can do.

First each server's saturation is found, then it is asked at half of that, at moments that do not depend on its answers; the time
counts from when a query was due. Beside it the same at one rate for all: half of what the slowest can do.
"""

import statistics

import peers
from common import CASES, Server, records, run_load, write_queries

FIGURES = ("p50", "p90", "p99", "p999", "max")


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--servers", nargs="+", default=["Sluice", "gdnsd", "Knot"], choices=list(peers.SERVERS), metavar="SERVER")
    parser.add_argument("--case", default="steered A", choices=list(CASES))


def show(title, rows):
    print(f"\n{title:24}{'queries/s':>12}" + "".join(f"{figure + ' us':>12}" for figure in FIGURES) + f"{'lost':>8}")
    for name, results in rows.items():
        medians = [statistics.median(result[figure] for result in results) for figure in FIGURES]
        print(f"  {name:22}{results[0]['asked']:12,.0f}" + "".join(f"{value:12.0f}" for value in medians)
              + f"{sum(result['lost'] for result in results):8}")


def run(options, sandbox):
    queries, _ = write_queries(sandbox, 0, CASES[options.case])
    text = records()
    servers = [Server(sandbox, name, options.build, text) for name in options.servers]
    for server in servers:
        server.await_answer()
    rates = {}
    for server in servers:
        run_load(options.build, server.port, queries, 0.5)
        rates[server.name] = statistics.median(run_load(options.build, server.port, queries, 1)["rate"] for _ in range(3))
    figures = {}
    for title, rate_of in (("at half of its own rate", rates.get), ("at one rate", lambda _: min(rates.values()))):
        rows = {server.name: [] for server in servers}
        for _ in range(options.rounds):
            for server in servers:
                asked = int(rate_of(server.name) / 2)
                result = run_load(options.build, server.port, queries, options.seconds, "--rate", asked)
                rows[server.name].append(result | {"asked": asked})
        show(title, rows)
        figures[title] = rows
    return {"case": options.case, "saturation": rates, "rounds": figures}

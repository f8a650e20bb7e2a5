"""tools/bench workers: what a query costs with one worker and with two.

Each runs on both CPUs, together with the generator, which uses many sockets, so that the kernel spreads the queries over the
workers. As many queries are under way as can be answered; CPU time is that of the whole daemon.
"""

import os
import statistics

from common import CASES, Server, measure, records, run_load, write_queries


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--window", type=int, default=2048, help="queries under way")
    parser.add_argument("--cases", nargs="+", default=["steered A", "dual-stack A", "plain A"], choices=list(CASES), metavar="CASE")


def run(options, sandbox):
    text = records()
    servers = [Server(sandbox, "Sluice", options.build, text, folder=f"workers-{workers}", cpus=(0, 1), workers=workers)
               for workers in (1, 2)]
    for server in servers:
        server.await_answer()
    figures = {}
    for number, case in enumerate(options.cases):
        queries, _ = write_queries(sandbox, number, CASES[case])
        results = {1: [], 2: []}
        for _ in range(options.rounds):
            for workers, server in zip(results, servers):
                def generate(server=server):
                    return run_load(options.build, server.port, queries, options.seconds, "--window", options.window, "--sockets", 64)
                results[workers].append(measure(server, generate))
        one, two = (statistics.median(result["cpu_us"] for result in results[workers]) for workers in (1, 2))
        lost = sum(result["lost"] for rounds in results.values() for result in rounds)
        print(f"{case:16} one worker {one:.3f} us a query, two {two:.3f} us, ratio {two / one:.3f}, lost {lost}, CPUs {os.cpu_count()}")
        figures[case] = {"one_us": one, "two_us": two, "ratio": two / one, "rounds": results}
    return figures

"""tools/bench million: a zone of a million A records: start, memory, and a reload while queries are answered.

Start: from the start of the program to its first right answer, with the file in the page cache; one server at a time, in turn.
Memory: what is the server's own or its part of what is shared (PSS), after the start.
Reload: while the queries come at half of what the server can do, at moments that do not depend on its answers, the zone file is changed
and loaded again; the time that an answer takes counts from when the query was due. All of the daemon is on one CPU, the loading
of the zone, too, and the generator has the other one for itself.
"""

import os
import random
import statistics
import subprocess
import threading
import time

from common import SERVER_CPU, Server, pin, run_load, write_queries

SERVERS = ("Sluice", "gdnsd", "Knot", "NSD")


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--reloads", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of queries, before and during a reload")
    parser.add_argument("--servers", nargs="+", default=list(SERVERS), choices=SERVERS, metavar="SERVER")


def records(names):
    return "".join(f"h{number:07} A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}\n" for number in range(names))


def start_once(options, sandbox, name, number, text):
    """(seconds, KiB). The config is written before the clock starts."""
    server = Server(sandbox, name, options.build, text, folder=f"{name}-{number}", cpus=(0, 1), start=False)
    started = time.monotonic()
    server.start()
    server.await_answer(f"h{options.names - 1:07}")
    took = time.monotonic() - started
    kib = server.resident_kib()
    server.process.kill()
    return took, kib


def starts(options, sandbox, text):
    samples = {name: [] for name in options.servers}
    for number in range(options.rounds):
        for name in options.servers:
            samples[name].append(start_once(options, sandbox, name, number, text))
    print(f"{options.names:,} A records      first answer after   memory")
    for name, results in samples.items():
        print(f"  {name:20}{statistics.median(took for took, _ in results):14.2f} s  "
              f"{statistics.median(kib for _, kib in results) / 1024:10.0f} MiB")
    return samples


def reload_once(options, server, queries, rate, number):
    """What load says of some seconds before, and of the time of a reload."""
    before = run_load(options.build, server.port, queries, options.seconds, "--rate", rate)
    with open(os.path.join(server.folder, "bench.zone"), "a", encoding="utf-8") as zone:
        zone.write(f"reload{number} A 192.0.2.1\n")
    took = []

    def reload():
        time.sleep(0.2)  # until the load is under way
        started = time.monotonic()
        subprocess.run([os.path.join(options.build, "sluicectl"), "--socket", os.path.join(server.folder, "admin.sock"), "reload"],
                       check=True, capture_output=True)
        took.append(time.monotonic() - started)
    thread = threading.Thread(target=reload)
    thread.start()
    during = run_load(options.build, server.port, queries, options.seconds, "--rate", rate)
    thread.join()
    server.await_answer(f"reload{number}")
    return {"before": before, "during": during, "reload_s": took[0]}


def reloads(options, sandbox, text):
    pin(SERVER_CPU)  # us and what we call, but for the generator
    server = Server(sandbox, "Sluice", options.build, text, folder="reloaded")
    server.await_answer()
    chance = random.Random(2)
    questions = [(f"h{chance.randrange(options.names):07}", "A") for _ in range(200_000)]
    queries, _ = write_queries(sandbox, 0, questions)
    rate = int(statistics.median(run_load(options.build, server.port, queries, 1)["rate"] for _ in range(3)) / 2)
    results = [reload_once(options, server, queries, rate, number) for number in range(options.reloads)]
    print(f"\nreload at {rate:,} queries/s:  lost, p50, p99, p99.9 and greatest us before | during")
    for result in results:
        cells = [[f"{result[part][figure]:8.0f}" for figure in ("lost", "p50", "p99", "p999", "max")] for part in ("before", "during")]
        print(f"  took {result['reload_s']:.2f} s " + "".join(cells[0]) + "  |" + "".join(cells[1]))
    medians = {part: statistics.median(result[part]["p99"] for result in results) for part in ("before", "during")}
    print(f"  p99 during / before: {medians['during'] / medians['before']:.2f}, lost {sum(result['during']['lost'] for result in results)}")
    return {"rate": rate, "rounds": results, "memory_kib": server.resident_kib()}


def run(options, sandbox):
    text = records(options.names)
    return {"starts": starts(options, sandbox, text), "reload": reloads(options, sandbox, text)}

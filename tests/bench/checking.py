"""tools/bench checking: what checking costs, and how soon the dead are out of the answers.

Fleet: 10,000 HTTP endpoints, all of them one nginx, beside gdnsd's http_status with the same set; its least interval is 2 s. Everything runs in
a network namespace of its own. For each:

    CPU        of the whole server, as a share of one core, while nobody asks
    memory     what is its own or its part of what is shared (PSS)
    delay      of a probe against its due time, greatest and 99th percentile, as the web server's log has it: each endpoint's requests
               against a grid of the interval that begins with its most punctual one
    answering  CPU time of the answering thread for a query at a fixed rate, with checks and without

Detection: a web server is killed again and again; from the kill to the last answer that names it, against fall x interval.
"""

import collections
import os
import statistics
import subprocess
import sys
import time

import peers
from common import LOAD_CPU, SERVER_CPU, Server, harness, pin, run_load, write_queries

GROUP = 64  # gdnsd has at most so many addresses in a resource
SETTLE_S = 3.0
ANSWERING_RATE = 50_000
INSIDE = "SLUICE_BENCH_NAMESPACE"


def add_arguments(parser):
    parser.add_argument("--endpoints", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of probing, for each server")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--parts", nargs="+", default=["fleet", "detection"], choices=["fleet", "detection"], metavar="PART")


def address(number):
    return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def groups(options):
    numbers = range(options.endpoints)
    return [numbers[first:first + GROUP] for first in range(0, options.endpoints, GROUP)]


def steers(options, check):
    """More of sluice.toml; `check`: what stands in [check.web], or nothing."""
    if check:
        yield f"[check.web]\n{check}\n"
    for number, group in enumerate(groups(options)):
        endpoints = ", ".join(f'"{address(one)}"' for one in group)
        yield f"[pool.g{number}]\n" + ('check = "web"\n' if check else "") + f"endpoints = [{endpoints}]\n"
        yield f'[steer."g{number}.{peers.ZONE}"]\npools = {{ g{number} = 1 }}\n'


def sluice(options, sandbox, folder, check):
    return Server(sandbox, "Sluice", options.build, "", folder=folder, cpus=(SERVER_CPU,), more="".join(steers(options, check)))


def gdnsd_config(options, folder, port, web_port):
    for name in ("run", "state"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    names = [f"g{number}" for number in range(len(groups(options)))]
    peers.write(folder, f"zones/{peers.ZONE}", peers.HEAD + "".join(f"{name} 30 DYNA multifo!{name}\n" for name in names))
    resources = "".join(f"    {name} => {{ service_types => web\n" + "".join(f"      a{one} => {address(one)}\n" for one in group) + "    }\n"
                        for name, group in zip(names, groups(options)))
    peers.write(folder, "config", f"""options => {{
  listen => {{ {peers.ADDRESS}:{port} => {{ udp_threads => 1, tcp_threads => 1 }} }}
  run_dir => {folder}/run
  state_dir => {folder}/state
}}
service_types => {{
  web => {{ plugin => http_status, port => {web_port}, url_path => /healthz, ok_codes => [ 200 ], interval => 2, timeout => 1 }}
}}
plugins => {{
  multifo => {{
{resources}  }}
}}
""")
    return ["/usr/sbin/gdnsd", "-c", folder, "start"]


class Web:
    """One nginx for all endpoints, that logs when each was asked."""

    def __init__(self, sandbox):
        self.port = harness.free_port()
        self.log = sandbox.path("web/requests")
        home = sandbox.path("web")
        sandbox.write("web/nginx.conf", f"""daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
worker_rlimit_nofile 40000;
events {{ worker_connections 30000; }}
http {{
  log_format due '$msec $server_addr';
  access_log requests due buffer=256k flush=1s;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_timeout 0;
  server {{
    listen {self.port} backlog=20000;
    location = /healthz {{ return 200 "ok\\n"; }}
  }}
}}
""")
        self.process = sandbox.start("web", ["/usr/sbin/nginx", "-p", home + "/", "-c", "nginx.conf", "-e", "stderr"],
                                     preexec_fn=lambda: pin(LOAD_CPU))
        harness.poll("nginx listens", lambda: not harness.is_free("127.0.0.1", self.port))

    def delays_ms(self, start, end, interval):
        """Of all requests between two times, and how many there were too few."""
        times = collections.defaultdict(list)
        with open(self.log, encoding="utf-8") as lines:
            for line in lines:
                moment, asked = line.split()
                if start <= float(moment) <= end:
                    times[asked].append(float(moment))
        delays, missing = [], 0
        for moments in times.values():
            offsets = [moment - round((moment - moments[0]) / interval) * interval for moment in moments]
            delays += [1000 * (offset - min(offsets)) for offset in offsets]
            missing += max(0, round((moments[-1] - moments[0]) / interval) + 1 - len(moments))
        return sorted(delays), missing


def checked(options, server, web, interval):
    """The figures of a server that is running."""
    time.sleep(SETTLE_S)
    start, cpu = time.time(), server.cpu_us()
    time.sleep(options.seconds)
    end = time.time()
    used = (server.cpu_us() - cpu) / 1e6 / (end - start)
    time.sleep(1.5)  # until nginx has written its log
    delays, missing = web.delays_ms(start, end, interval)
    harness.expect(delays, "the web server was not asked")
    return {"interval_s": interval, "cpu": used, "memory_kib": server.resident_kib(), "probes_per_s": len(delays) / (end - start),
            "delay_p99_ms": delays[int(len(delays) * 0.99)], "delay_max_ms": delays[-1], "missing": missing}


def answering(options, server, queries):
    before = server.cpu_us("udp-")
    result = run_load(options.build, server.port, queries, 5, "--rate", ANSWERING_RATE)
    return result | {"cpu_us": (server.cpu_us("udp-") - before) / result["answered"]}


def fleet(options, sandbox):
    web = Web(sandbox)
    check = f'type = "http"\nport = {web.port}\npath = "/healthz"\ntimeout = "1s"\ninterval = "%s"'
    queries, _ = write_queries(sandbox, 0, [(f"g{number}", "A") for number in range(len(groups(options)))])
    figures = {}

    def show(title, row):
        figures[title] = row
        print(f"  {title:24}{row['probes_per_s']:10,.0f}{row['cpu']:10.2f}{row['memory_kib'] / 1024:10.0f}{row['delay_p99_ms']:12.0f}"
              f"{row['delay_max_ms']:12.0f}{row['missing']:10}", flush=True)

    print(f"{options.endpoints:,} endpoints            probes/s     cores       MiB delay p99 ms      max ms   missing", flush=True)
    plain = sluice(options, sandbox, "unchecked", None)
    plain.await_answer("g0")
    rounds = {"without checks": [answering(options, plain, queries) for _ in range(5)]}
    plain.process.kill()
    for interval in (1, 2):
        server = sluice(options, sandbox, f"every-{interval}s", check % f"{interval}s")
        harness.poll("Sluice answers", lambda server=server: server.ask("g0", "A")[0] == 0, 60)
        show(f"Sluice, every {interval} s", checked(options, server, web, interval))
        if interval == 1:
            rounds["with checks"] = [answering(options, server, queries) for _ in range(5)]
        server.process.kill()
    gdnsd = Server(sandbox, "gdnsd", options.build, "", folder="gdnsd-checks", start=False)
    gdnsd.argv = gdnsd_config(options, gdnsd.folder, gdnsd.port, web.port)
    gdnsd.start()
    harness.poll("gdnsd answers", lambda: gdnsd.ask("g0", "A")[0] == 0, 120)
    show("gdnsd, every 2 s", checked(options, gdnsd, web, 2))
    gdnsd.process.kill()
    for title, results in rounds.items():
        print(f"  answering {title:16} CPU {statistics.median(r['cpu_us'] for r in results):.3f} us a query at {ANSWERING_RATE:,}/s, "
              f"p50 {statistics.median(r['p50'] for r in results):.0f} us, p99 {statistics.median(r['p99'] for r in results):.0f} us, "
              f"lost {sum(r['lost'] for r in results)}")
    medians = {title: statistics.median(r["cpu_us"] for r in results) for title, results in rounds.items()}
    print(f"  speed with checks / without: {medians['without checks'] / medians['with checks']:.3f}")
    return figures | {"answering": rounds}


INTERVAL_S, FALL = 0.5, 3
PATIENCE_S = 1.0


def last_named(server, asked, seconds):
    """When the last question was sent whose answer was this address, asking one after the other for so long."""
    import queries  # pylint: disable=import-outside-toplevel
    last, end = 0.0, time.monotonic() + seconds
    with queries.Asker(server.port) as asker:
        question = queries.question(f"www2.{peers.ZONE}", "A")
        while (now := time.monotonic()) < end:
            if asked in asker.addresses(question):
                last = now
    return last


def detection(options, sandbox):
    addresses = ("127.0.1.1", "127.0.1.2")
    port = harness.free_port(("127.0.0.1",) + addresses)
    servers = [harness.Nginx(sandbox, one, port) for one in addresses]
    for one in servers:
        one.start()
    more = f"""[check.web]
type = "http"
port = {port}
path = "/healthz"
interval = "{int(INTERVAL_S * 1000)}ms"
timeout = "250ms"
fall = {FALL}
hold_down = "0s"
[pool.v1]
check = "web"
endpoints = ["{addresses[0]}", "{addresses[1]}"]
[steer."www2.{peers.ZONE}"]
pools = {{ v1 = 1 }}
"""
    server = Server(sandbox, "Sluice", options.build, "", folder="detection", more=more)
    server.await_answer("www2")
    bound = FALL * INTERVAL_S
    took = []
    for _ in range(options.kills):
        harness.poll("both are answered", lambda: last_named(server, addresses[0], 0.2))
        killed = time.monotonic()
        servers[0].kill()
        took.append(max(0.0, last_named(server, addresses[0], bound + PATIENCE_S) - killed))
        servers[0].start()
    print(f"\n{options.kills} kills, interval {INTERVAL_S} s, fall {FALL}: last answer after {statistics.median(took):.3f} s (median), "
          f"{max(took):.3f} s (greatest); fall x interval is {bound} s")
    return {"bound_s": bound, "took_s": took}


def run(options, sandbox):
    """In a network namespace of its own, where all of 127/8 is ours alone."""
    if INSIDE not in os.environ:
        command = 'ip link set lo up && exec "$0" "$@"'
        done = subprocess.run(["unshare", "-n", "sh", "-c", command, sys.executable, *sys.argv], env=os.environ | {INSIDE: "1"}, check=False)
        harness.expect(done.returncode == 0, "the measurement in the namespace failed")
        return None
    parts = {"fleet": fleet, "detection": detection}
    return {name: parts[name](options, sandbox) for name in options.parts}

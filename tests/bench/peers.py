"""Sluice and the nameservers that one could use in its place, each with the same zone, on loopback.

Each function writes a config into its folder and returns the command that starts the server. All have one thread for UDP, no limit to the
rate, no log of queries and minimal responses; what else they need is said at the line.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from nsd import server_section  # noqa: E402

ADDRESS = "127.0.0.1"
ZONE = "bench.test"
STEERED_TTL_S = 30
STABLE, CANARY = "192.0.2.10", "192.0.2.20"
STABLE_WEIGHT, CANARY_WEIGHT = 95, 5

HEAD = """$ORIGIN bench.test.
$TTL 300
@ SOA ns1 hostmaster 1 3600 900 604800 300
@ NS ns1
ns1 A 192.0.2.53
host A 192.0.2.1
"""


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def sluice(build, folder, port, records, workers=1, more=""):
    """`more` stands at the end of its config."""
    zone = write(folder, "bench.zone", HEAD + records)
    config = write(folder, "sluice.toml", f"""[server]
listen = ["{ADDRESS}:{port}"]
workers = {workers}
state = "state"
[admin]
socket = "admin.sock"
[zone."{ZONE}"]
file = "{zone}"
[pool.stable]
endpoints = ["{STABLE}"]
[pool.canary]
endpoints = ["{CANARY}"]
[pool.dual]
endpoints = ["{STABLE}", "2001:db8::10"]
[steer."both.{ZONE}"]
pools = {{ dual = {STABLE_WEIGHT}, canary = {CANARY_WEIGHT} }}
ttl = "{STEERED_TTL_S}s"
[steer."www.{ZONE}"]
pools = {{ stable = {STABLE_WEIGHT}, canary = {CANARY_WEIGHT} }}
ttl = "{STEERED_TTL_S}s"
{more}""")
    return [os.path.join(build, "sluiced"), "--config", config]


def gdnsd(_build, folder, port, records):
    for name in ("run", "state"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    write(folder, f"zones/{ZONE}", HEAD + f"www {STEERED_TTL_S} DYNA weighted!www\n" + records)
    write(folder, "config", f"""options => {{
  listen => {{ {ADDRESS}:{port} => {{ udp_threads => 1, tcp_threads => 1 }} }}
  run_dir => {folder}/run
  state_dir => {folder}/state
}}
plugins => {{
  weighted => {{
    www => {{
      service_types => up
      stable => [ {STABLE}, {STABLE_WEIGHT} ]
      canary => [ {CANARY}, {CANARY_WEIGHT} ]
    }}
  }}
}}
""")
    return ["/usr/sbin/gdnsd", "-c", folder, "start"]


def knot(_build, folder, port, records):
    write(folder, "bench.zone", HEAD + f"www {STEERED_TTL_S} A {STABLE}\n" + records)
    write(folder, "weights.conf", f"""www.{ZONE}:
  - weight: {STABLE_WEIGHT}
    A: {STABLE}
  - weight: {CANARY_WEIGHT}
    A: {CANARY}
""")
    config = write(folder, "knot.conf", f"""server:
  rundir: "{folder}"
  listen: {ADDRESS}@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
database:
  storage: "{folder}/db"
mod-geoip:
  - id: weighted
    config-file: "{folder}/weights.conf"
    ttl: {STEERED_TTL_S}
    mode: weighted
template:
  - id: default
    storage: "{folder}"
    semantic-checks: off
    journal-content: none
    zonefile-sync: -1
zone:
  - domain: "{ZONE}"
    file: "bench.zone"
    module: mod-geoip/weighted
""")
    return ["/usr/sbin/knotd", "-c", config]


def nsd(_build, folder, port, records):
    """It has no weights: www is a plain record."""
    write(folder, "bench.zone", HEAD + f"www {STEERED_TTL_S} A {STABLE}\n" + records)
    config = write(folder, "nsd.conf", server_section(ADDRESS, port, folder) + f"""zone:
  name: "{ZONE}"
  zonefile: "bench.zone"
""")
    return ["/usr/sbin/nsd", "-d", "-c", config]


def powerdns(_build, folder, port, records):
    lua = f"pickwrandom({{ {{{STABLE_WEIGHT}, '{STABLE}'}}, {{{CANARY_WEIGHT}, '{CANARY}'}} }})"
    zone = write(folder, "bench.zone", HEAD + f'www {STEERED_TTL_S} LUA A "{lua}"\n' + records)
    bind = write(folder, "named.conf", f'zone "{ZONE}" {{ type master; file "{zone}"; }};\n')
    write(folder, "pdns.conf", f"""launch=bind
bind-config={bind}
enable-lua-records=yes
local-address={ADDRESS}
local-port={port}
receiver-threads=1
distributor-threads=1
socket-dir={folder}
setuid=
setgid=
loglevel=3
disable-syslog=yes
""")
    return ["/usr/sbin/pdns_server", f"--config-dir={folder}", "--daemon=no", "--guardian=no"]


def bind(_build, folder, port, records):
    """It has no weights: www is a plain record."""
    zone = write(folder, "bench.zone", HEAD + f"www {STEERED_TTL_S} A {STABLE}\n" + records)
    config = write(folder, "named.conf", f"""options {{
  directory "{folder}";
  pid-file none;
  session-keyfile none;
  listen-on port {port} {{ {ADDRESS}; }};
  listen-on-v6 {{ none; }};
  recursion no;
  notify no;
  minimal-responses yes;
}};
controls {{ }};
zone "{ZONE}" {{ type primary; file "{zone}"; }};
""")
    return ["/usr/sbin/named", "-g", "-n", "1", "-U", "1", "-c", config]


def floor(build, _folder, port, _records):
    """No nameserver: what the kernel alone costs (floor.cpp)."""
    return [os.path.join(build, "tests/bench/floor"), str(port)]


# In the order of the table. `weighted`: www is answered by weights, and not as a plain record.
SERVERS = {"Sluice": sluice, "gdnsd": gdnsd, "Knot": knot, "NSD": nsd, "PowerDNS": powerdns, "BIND": bind, "floor": floor}
WEIGHTED = ("Sluice", "gdnsd", "Knot", "PowerDNS", "floor")

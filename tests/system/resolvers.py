"""unbound and BIND in front of every zone that tests/query has, and of the example: what they resolve is what Sluice says.

Everything runs in a network namespace of its own, where whole documentation prefixes are local (so that the addresses of the
zones' name servers are ours) and port 53 is free. One Sluice serves the root zone and delegates, another one serves the zones:

    client -> unbound | named -> Sluice at 10.53.0.1: "."        -> referral to the zone's own name servers
                              -> Sluice at all their addresses   -> the answer

Both resolvers minimise names strictly; unbound scrambles letter case as well (named has no option for that). Run with a folder
of binaries as its argument, this file is the part inside the namespace.
"""

import glob
import os
import re
import subprocess
import sys

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

import harness
from harness import REPO, Failure, Sandbox, Skip, expect, expect_equal, poll, run, test

ROOT_SERVER = "10.53.0.1"
LOCAL_PREFIXES = ["10.53.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]
DEFAULT_SERVER = "192.0.2.53"  # of zones whose name servers have no address of their own
RESOLVERS = {"unbound": 5301, "named": 5302}
TIMEOUT_S = 20
MORE_TYPES = ["A", "AAAA", "TXT", "MX", "CAA"]  # asked at each name, beside the types that are there
CHAIN_MAX = 8  # of CNAMEs; from some point on resolvers give up, each at its own


class World:
    """Zones, pools and steers of a case file (tests/query/case_file.hpp), or of a config."""

    def __init__(self, name):
        self.name = name
        self.zones = {}  # apex -> text
        self.pools = []
        self.steers = []


def read_case_file(path):
    world, apex = World(os.path.basename(path)), None
    with open(path, encoding="utf-8") as text:
        for line in text:
            words = line.split()
            if apex is not None and line.rstrip() == "end":
                apex = None
            elif apex is not None:
                world.zones[apex] += line
            elif words[:1] == ["zone"]:
                apex = words[1].lower().rstrip(".") or "."
                world.zones[apex] = ""
            elif words[:1] == ["pool"]:
                world.pools.append((words[1], [re.sub(r"[*!].*", "", word) for word in words[2:] if "=" not in word]))
            elif words[:1] == ["steer"]:
                world.steers.append((words[1].lower(), dict(word.split("=") for word in words[2:])))
    world.steers = [(name, options) for name, options in world.steers if name not in reached_from(world, name)]
    return world


def reached_from(world, name):
    """Where the hosts of a steered name lead to, by further steered names, too. To itself: sluiced refuses such a config."""
    pools, steers = dict(world.pools), dict(world.steers)
    reached, todo = set(), [name]
    while todo:
        for pool in steers.get(todo.pop(), {}):
            new = set(pools.get(pool, [])) - reached
            reached |= new
            todo += new
    return reached


def read_example():
    world = World("the example")
    world.zones["shop.example"] = harness.read_example_zone()
    world.pools = [("v1", ["127.0.1.1", "127.0.1.2"]), ("v2", ["127.0.2.1"])]
    world.steers = [("www.shop.example.", {"v1": "90", "v2": "10"}), ("app.shop.example.", {"v1": "1", "method": "sticky"}),
                    ("shop.example.", {"v1": "1", "answers": "2"}), ("*.preview.shop.example.", {"v2": "1"})]
    return world


def config_of(world, listen, folder):
    """sluice.toml. All endpoints are taken for living ones: what is asked here is whether answers arrive unchanged."""
    lines = ["[server]", f"listen = {listen}".replace("'", '"'), "workers = 1", f'state = "{folder}-state"', "[admin]",
             f'socket = "{folder}.sock"']
    for number, apex in enumerate(world.zones):
        lines += [f'[zone."{apex}"]', f'file = "{folder}/{number}.zone"']
    for name, endpoints in world.pools:
        lines += [f"[pool.{name}]", f"endpoints = {endpoints}".replace("'", '"')]
    pool_names = {name for name, _ in world.pools}
    for name, options in world.steers:
        weights = ", ".join(f"{pool} = {weight}" for pool, weight in options.items() if pool in pool_names)
        lines += [f'[steer."{name}"]', f"pools = {{ {weights} }}", f'ttl = "{max(int(options.get("ttl", 30)), 1)}s"']
        if "answers" in options:
            lines.append(f"answers = {options['answers']}")
        if "method" in options:
            lines.append(f'method = "{options["method"]}"')
    return "\n".join(lines) + "\n"


def start_sluice(sandbox, name, world, addresses):
    for number, text in enumerate(world.zones.values()):
        sandbox.write(f"{name}/{number}.zone", text)
    listen = [f"[{address}]:53" if ":" in address else f"{address}:53" for address in addresses]
    config = sandbox.write(f"{name}.toml", config_of(world, listen, name))
    process = sandbox.start(name, [os.path.join(harness.Options.build, "sluiced"), "--config", config])
    poll(f"`ready` of {name}", lambda: re.search("^ready", process.log(), re.MULTILINE) or not process.alive())
    expect(process.alive(), f"{name} ended:\n{process.log()}")
    return process


def parsed_zones(world):
    for apex, text in world.zones.items():
        yield dns.zone.from_text(text, dns.name.from_text(apex), relativize=False, check_origin=False)


def top_zones(world, zones):
    """Those without one of ours above them."""
    return [zone for zone in zones if not any(zone.origin != other.origin and zone.origin.is_subdomain(other.origin) for other in zones)]


def is_reachable(zone, zones):
    """Whether the zone above delegates it: else no resolver that asks from the top can know of it."""
    above = [other for other in zones if other is not zone and zone.origin.is_subdomain(other.origin)]
    if not above:
        return True
    parent = max(above, key=lambda other: len(other.origin))
    return parent.get_rdataset(zone.origin, "NS") is not None and is_reachable(parent, zones)


def address_book(zones):
    """Name -> its addresses, of all zones."""
    book = {}
    for zone in zones:
        for name, _, rdata in list(zone.iterate_rdatas("A")) + list(zone.iterate_rdatas("AAAA")):
            book.setdefault(name, []).append(rdata.address)
    return book


def root_zone(world, zones):
    """Delegates the zones at the top to their own servers, with glue for those that stand in them."""
    book = address_book(zones)
    lines = ["$TTL 3600", ". SOA a.root. hostmaster.root. 1 3600 900 604800 60", ". NS a.root.", f"a.root. A {ROOT_SERVER}"]
    for zone in top_zones(world, zones):
        for server in zone.find_rdataset(zone.origin, "NS"):
            lines.append(f"{zone.origin} NS {server.target}")
            lines += [f"{server.target} {'AAAA' if ':' in address else 'A'} {address}" 
                      for address in book.get(server.target, [DEFAULT_SERVER])]
    root = World("root")
    root.zones["."] = "\n".join(dict.fromkeys(lines)) + "\n"
    return root


def server_addresses(zones):
    """Where the zones' own name servers are."""
    book = address_book(zones)
    found = {address for zone in zones for server in zone.find_rdataset(zone.origin, "NS")
             for address in book.get(server.target, [DEFAULT_SERVER])}
    return sorted(found)


def start_unbound(sandbox):
    config = sandbox.write("unbound.conf", f"""server:
  directory: "{sandbox.folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-daemonize: no
  verbosity: 2
  interface: 127.0.0.1
  port: {RESOLVERS['unbound']}
  do-not-query-localhost: no
  module-config: "iterator"
  use-caps-for-id: yes
  qname-minimisation: yes
  qname-minimisation-strict: yes
  root-hints: "{sandbox.path('root.hints')}"
  local-zone: "test." nodefault
  local-zone: "10.in-addr.arpa." nodefault
remote-control:
  control-enable: no
""")
    return sandbox.start("unbound", ["/usr/sbin/unbound", "-d", "-p", "-c", config])


def start_named(sandbox):
    config = sandbox.write("named.conf", f"""options {{
  directory "{sandbox.folder}";
  listen-on port {RESOLVERS['named']} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  recursion yes;
  dnssec-validation no;
  qname-minimization strict;
  empty-zones-enable no;
  minimal-responses yes;
  max-cache-size 16m;
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; category lame-servers {{ default_stderr; }}; }};
zone "." {{ type hint; file "{sandbox.path('root.hints')}"; }};
""")
    return sandbox.start("named", ["/usr/sbin/named", "-g", "-n", "1", "-c", config])


def ask(port, name, rdtype, address="127.0.0.1", recursive=True):
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=1232)
    if not recursive:
        query.flags &= ~dns.flags.RD
    # A resolver with an empty cache has to ask others first, and clients ask it again; Sluice has no such excuse.
    attempts = 3 if recursive else 1
    for attempt in range(attempts):
        try:
            return dns.query.udp_with_fallback(query, address, port=port, timeout=TIMEOUT_S, ignore_trailing=False)[0]
        except dns.exception.Timeout as timeout:
            if attempt + 1 == attempts:
                raise Failure(f"{name} {rdtype} was not answered by {address} port {port}") from timeout
    return None


def data(reply):
    """The answer section as a set: TTLs go down in a resolver."""
    return frozenset((rrset.name.canonicalize().to_text(), rrset.rdtype, rdata.to_digestable()) for rrset in reply.answer for rdata in rrset
                     if rrset.rdtype != dns.rdatatype.DNAME)


def chain_end(name, reply):
    """Where the CNAMEs of an answer lead, and over how many links; None for a loop."""
    links = {rrset.name: rrset[0].target for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME}
    count = 0
    while name in links and count <= len(links):
        name, count = links[name], count + 1
    return (None if name in links else name), count


def questions(world, zones):
    """All names with their types and some more; wildcards by a name below them, names that do not exist, too."""
    asked = {}
    for zone in zones:
        for name, rdataset in zone.iterate_rdatasets():
            asked.setdefault(name, set(MORE_TYPES)).add(dns.rdatatype.to_text(rdataset.rdtype))
            asked.setdefault(dns.name.Name((b"no-such",) + zone.origin.labels), set(MORE_TYPES))
    for name, _ in world.steers:
        asked.setdefault(dns.name.from_text(name), set(MORE_TYPES))
    for name in list(asked):
        if name.labels[0] == b"*":
            asked[dns.name.Name((b"some", b"name") + name.labels[1:])] = asked.pop(name)
        elif len(name) > 1 and name.to_wire()[0] < 60:
            asked.setdefault(dns.name.Name((b"below",) + name.labels), {"A"})
    return [(name, rdtype) for name, types in asked.items() for rdtype in sorted(types) if rdtype not in ("RRSIG", "ANY")]


class Comparison:
    def __init__(self, world, zones, address):
        self.world, self.zones, self.address = world, zones, address
        self.compared = self.skipped = 0
        self.differences = []

    def in_our_zones(self, name):
        return any(name.is_subdomain(zone.origin) for zone in self.zones)

    def in_reachable_zone(self, name):
        at_or_above = [zone for zone in self.zones if name.is_subdomain(zone.origin)]
        return not at_or_above or is_reachable(max(at_or_above, key=lambda zone: len(zone.origin)), self.zones)

    def comparable(self, name, direct):
        """Not what a resolver cannot know from us: names below cuts to servers that are none, loops, long chains."""
        end, links = chain_end(name, direct)
        if end is None or links > CHAIN_MAX or direct.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return False
        if not direct.flags & dns.flags.AA or not self.in_reachable_zone(name) or not self.in_reachable_zone(end):
            return False
        last = direct if links == 0 else ask(53, end, direct.question[0].rdtype, self.address, recursive=False)
        return not self.in_our_zones(end) or bool(last.flags & dns.flags.AA)

    def compare(self, name, rdtype):
        direct = ask(53, name, rdtype, self.address, recursive=False)
        if not self.comparable(name, direct):
            self.skipped += 1
            return
        # A sticky name may answer ::1 otherwise than 127.0.0.1, and resolvers ask from either.
        sources = [self.address, "::1"] if self.address.startswith("127.") else [self.address]
        possible = {data(direct)}
        for address in sources * 40 if self.world.steers else []:
            possible.add(data(ask(53, name, rdtype, address, recursive=False)))
        end, _ = chain_end(name, direct)
        for resolver, port in RESOLVERS.items():
            through = ask(port, name, rdtype)
            self.compared += 1
            same = data(through) in possible or (not self.in_our_zones(end) and data(direct) <= data(through))
            if not same or (self.in_our_zones(end) and through.rcode() != direct.rcode()):
                self.differences.append(f"{self.world.name}: {name} {rdtype} through {resolver}:\n{through}\ndirectly:\n{direct}")


def compare_world(world):
    sandbox = Sandbox("resolvers")
    try:
        zones = list(parsed_zones(world))
        addresses = server_addresses(zones)
        for address in addresses:
            if ":" in address:  # no whole prefix can be made local
                run(["ip", "-6", "address", "replace", f"{address}/128", "dev", "lo", "nodad"])
        start_sluice(sandbox, "root", root_zone(world, zones), [ROOT_SERVER])
        start_sluice(sandbox, "leaf", world, addresses)
        sandbox.write("root.hints", f". 3600000 NS a.root.\na.root. 3600000 A {ROOT_SERVER}\n")
        unbound, named = start_unbound(sandbox), start_named(sandbox)
        poll("unbound", lambda: "start of service" in unbound.log() or not unbound.alive())
        poll("named", lambda: "running" in named.log() or not named.alive())
        expect(unbound.alive() and named.alive(), f"a resolver ended:\n{sandbox.logs()}")
        comparison = Comparison(world, zones, addresses[0])
        for name, rdtype in questions(world, zones):
            comparison.compare(name, rdtype)
        fallbacks = [line for line in unbound.log().splitlines() if "apsforid" in line]
        expect(not fallbacks, f"{world.name}: unbound found the letter case changed:\n" + "\n".join(fallbacks[:5]))
        expect(not comparison.differences, "\n".join(comparison.differences[:5] + [f"{len(comparison.differences)} differences"]))
        expect(comparison.compared > 0, f"{world.name}: nothing was compared")
        return comparison
    except Failure as failure:
        raise Failure(f"{failure}\n{sandbox.logs()}") from None
    finally:
        sandbox.close()


def inside(build):
    """In the namespace: prints a line for each world; the exit code says whether all agree."""
    harness.Options.build = build
    run(["ip", "link", "set", "lo", "up"])
    for prefix in LOCAL_PREFIXES:
        expect_equal(f"exit code for {prefix}", run(["ip", "route", "add", "local", prefix, "dev", "lo"]).returncode, 0)
    worlds = [read_example()] + [read_case_file(path) for path in sorted(glob.glob(os.path.join(REPO, "tests", "query", "*.cases")))]
    failed = False
    for world in worlds:
        try:
            comparison = compare_world(world)
            print(f"{world.name}: {comparison.compared} compared, {comparison.skipped} skipped", flush=True)
        except (Failure, dns.exception.DNSException) as failure:
            failed = True
            print(f"{world.name}: {type(failure).__name__}: {failure}", flush=True)
    return 1 if failed else 0


@test
def unbound_and_named_resolve_every_test_zone_to_what_sluice_says(sandbox):
    if run(["unshare", "-rn", "true"]).returncode != 0:
        raise Skip("this machine allows no network namespaces")
    result = subprocess.run(["unshare", "-rn", sys.executable, os.path.abspath(__file__), harness.Options.build], capture_output=True,
                            text=True, timeout=600, check=False, stdin=subprocess.DEVNULL)
    expect(result.returncode == 0, result.stdout + result.stderr)
    counts = [tuple(map(int, found)) for found in re.findall(r": (\d+) compared, (\d+) skipped", result.stdout)]
    compared, skipped = map(sum, zip(*counts))
    sandbox.note(f"{len(counts)} sets of zones: {compared} answers of unbound and named are Sluice's own; {skipped} questions "
                 "lead to servers that are none, in loops or over long chains")


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1]))

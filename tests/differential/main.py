"""Asks Sluice, NSD and Knot the same questions and compares the replies field by field.

    tests/differential/run                         50,000 queries over all zones
    tests/differential/run --queries 3000          a short run
    tests/differential/run --seed 7 cuts glue      other queries, and only the zones of these files
    tests/differential/run --show 50               more of the unexplained differences (default: 10)

The last line is `N passed, N failed`: a query passes when all that differs is explained by choices.toml.
"""

import argparse
import os
import selectors
import shutil
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import queries as query_maker  # noqa: E402
import servers  # noqa: E402
from compare import Choices, check_alone, differences  # noqa: E402
from message import Malformed, Reply, from_text, name_text, type_text  # noqa: E402

QUERIES = 50_000
SEED = 1
WINDOW = 64        # queries in flight: no socket buffer overflows with so few
REPLY_S = 5.0      # a reply that has not come by then is asked for again
ATTEMPTS = 3       # so often, until it is missing


def read_zones(names):
    folder = os.path.join(HERE, "zones")
    zones = [servers.Zone(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name.endswith(".zone")]
    unknown = set(names) - {zone.title for zone in zones}
    if unknown:
        sys.exit(f"no such zone: {', '.join(sorted(unknown))}; there are {' '.join(zone.title for zone in zones)}")
    return zones


def exchange(server, batch):
    """{id: octets} of the replies to a batch of queries; what does not come is not in it."""
    got, wanted = {}, {query.id for query in batch}
    over_udp = [query for query in batch if not query.tcp]
    over_tcp = [query for query in batch if query.tcp]
    # As a resolver would, it asks again; how often is among the figures.
    for attempt in range(ATTEMPTS):
        missing = [query for query in over_udp if query.id not in got]
        server.resent += len(missing) if attempt else 0
        for query in missing:
            server.udp.send(query.wire())
        end = time.monotonic() + REPLY_S
        while len(got) < len(over_udp) and time.monotonic() < end:
            try:
                data = server.udp.recv(65535)
            except TimeoutError:
                continue
            if len(data) >= 2 and (number := struct.unpack_from("!H", data)[0]) in wanted:
                got[number] = data
    for attempt in range(2):  # a server may close an idle connection
        missing = [query for query in over_tcp if query.id not in got]
        if missing:
            got.update(exchange_tcp(server, missing, retry=attempt == 0))
    return got


def exchange_tcp(server, batch, retry):
    got = {}
    try:
        connection = server.open_tcp()
        connection.sendall(b"".join(struct.pack("!H", len(query.wire())) + query.wire() for query in batch))
        connection.settimeout(REPLY_S)
        pending = b""
        while len(got) < len(batch):
            part = connection.recv(1 << 18)
            if not part:
                raise ConnectionError("closed")
            pending += part
            while len(pending) >= 2 and len(pending) >= 2 + (size := struct.unpack_from("!H", pending)[0]):
                got[struct.unpack_from("!H", pending, 2)[0]] = pending[2:2 + size]
                pending = pending[2 + size:]
    except OSError:
        server.close_tcp()
        if not retry:
            return got
    return got


class Run:
    """The counts of all worlds together."""

    def __init__(self, choices, show):
        self.choices, self.show = choices, show
        self.passed = self.failed = self.shown = 0
        self.alike = {"NSD": 0, "Knot": 0}
        self.resent = {}
        self.unexplained = {}

    def judge(self, query, data, known):
        """`data` is the three servers' octets, ours first."""
        failures, kinds, replies = [], [], {}
        for name, octets in data.items():
            try:
                replies[name] = None if octets is None else Reply(octets, query)
            except Malformed as error:
                if name == "Sluice":
                    failures.append(f"{name}: {error}")
        ours = replies.get("Sluice")
        failures += [f"Sluice: {problem}" for problem in (check_alone(ours) if ours else [])]
        for peer in ("NSD", "Knot"):
            theirs = replies.get(peer)
            if ours is None and "Sluice" not in replies:
                continue
            if peer not in replies:
                fields = {"malformed"}
            elif ours is None or theirs is None:
                fields = {"silence"} if (ours is None) != (theirs is None) else set()
            else:
                fields = set() if ours.data == theirs.data else differences(ours, theirs)
            if not fields:
                self.alike[peer] += 1
                continue
            known.update(q=query, ours=ours, theirs=theirs, other=replies.get("Knot" if peer == "NSD" else "NSD"), fields=fields)
            used, left = self.choices.explain(peer, known, fields)
            for choice in used:
                choice.count += 1
            if left:
                failures.append(f"differs from {peer} in {', '.join(sorted(left))}")
                kinds.append(f"{peer} {' '.join(sorted(left))} [{query.zone}]")
        if not failures:
            self.passed += 1
            return
        self.failed += 1
        # One of a kind is shown: what is new says more than what repeats.
        new = not kinds or any(kind not in self.unexplained for kind in kinds)
        for kind in kinds:
            self.unexplained[kind] = self.unexplained.get(kind, 0) + 1
        if new and self.shown < self.show:
            self.shown += 1
            print(f"FAILED  {query}")
            for failure in failures:
                print(f"  {failure}")
            for name, reply in replies.items():
                print(f"    {name}:\n{reply.text() if reply else '      no reply'}")


def run_world(world, zones, chosen, options, run):
    """Starts the three servers with the zones of one world, and asks about the chosen ones."""
    folder = tempfile.mkdtemp(prefix="sluice-differential.")
    started = []
    try:
        for name, make in (("sluice", lambda f: servers.sluice(options.build, f, zones)), ("nsd", lambda f: servers.nsd(f, zones)),
                           ("knot", lambda f: servers.knot(f, zones))):
            own = os.path.join(folder, name)
            os.mkdir(own)
            server = make(own)
            server.start()
            started.append(server)
        for server in started:
            for zone in zones:
                server.connect(zone.apex)
        records = {zone.apex: started[1].transfer(zone.apex) for zone in chosen}
        for zone in chosen:
            for record in sorted(set(records[zone.apex]) ^ set(started[2].transfer(zone.apex)))[:10]:
                print(f"note: only one of NSD and Knot holds {name_text(record[0])} {record[3]} {type_text(record[1])}")
        share = -(-options.queries * len(chosen) // options.zone_count)  # rounded up
        asked = query_maker.make(world, chosen, records, options.seed, share)
        known = {"zones": {from_text(zone.apex).lower() for zone in zones}}
        for start in range(0, len(asked), WINDOW):
            batch = asked[start:start + WINDOW]
            for number, query in enumerate(batch):
                query.id = (start + number) * 40503 & 0xFFFF
            got = [exchange(server, batch) for server in started]
            for query in batch:
                run.judge(query, {server.name: replies.get(query.id) for server, replies in zip(started, got)}, dict(known))
        for server in started:
            run.resent[server.name] = run.resent.get(server.name, 0) + server.resent
        return len(asked)
    finally:
        for server in started:
            server.stop()
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zones", nargs="*", metavar="ZONE")
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build-test"))
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--show", type=int, default=10)
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    zones = read_zones(options.zones)
    chosen = [zone for zone in zones if not options.zones or zone.title in options.zones]
    worlds = sorted({world for zone in chosen for world in zone.worlds})
    options.zone_count = sum(len(zone.worlds) for zone in chosen)
    run = Run(Choices(os.path.join(HERE, "choices.toml")), options.show)
    began, asked = time.monotonic(), 0
    for world in worlds:
        asked += run_world(world, [zone for zone in zones if world in zone.worlds],
                           [zone for zone in chosen if world in zone.worlds], options, run)
    report(run, asked, len(chosen), options.seed, time.monotonic() - began)
    sys.exit(1 if run.failed else 0)


def report(run, asked, zone_count, seed, seconds):
    for kind, count in sorted(run.unexplained.items(), key=lambda row: -row[1])[:40]:
        print(f"unexplained: {count:6} {kind}")
    for choice in run.choices.rows:
        print(f"explained: {choice.count:6} {choice.name} ({', '.join(choice.peers)}): {choice.reason}")
    print(f"{asked} queries, {zone_count} zones, seed {seed}, {seconds:.0f} s; alike to NSD {run.alike['NSD']}, to Knot {run.alike['Knot']}")
    if any(run.resent.values()):
        print("asked again: " + ", ".join(f"{name} {count}" for name, count in run.resent.items()))
    print(f"{run.passed} passed, {run.failed} failed")


if __name__ == "__main__":
    main()

"""Queries made from a zone's records: names at, above, below and beside each node and each name in rdata, letter case at random,
each with types that are there and types that are not, and asked in all ways. The same seed makes the same queries.
"""

import random

from message import NAMES, NAMES_IN_RDATA, Query, from_text, join, labels

USUAL_TYPES = [NAMES[name] for name in ("A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DNAME", "DS", "ANY", "HTTPS", "SRV")] + [65280]
RARE_TYPES = [NAMES[name] for name in ("PTR", "SVCB", "CAA", "NAPTR", "RRSIG", "NSEC", "NSEC3", "DNSKEY", "SIG", "KEY", "NXT", "NULL", "CDS",
                                       "TLSA", "SPF", "URI", "RP", "AFSDB", "KX")] + [0, 41, 128, 200, 249, 251, 252, 253, 254, 65535, 64000]
UNKNOWN_OPTION = b"\xfd\xe9\x00\x04\x01\x02\x03\x04"  # of the codes for local use (RFC 6891, 9)
TWO_OPTIONS = UNKNOWN_OPTION + b"\xff\xfe\x00\x00"
NSID = b"\x00\x03\x00\x00"
BESIDE = (b"\0", b"-", b"0", b"zzz", b"*", b"\xff", b"_x")


def make(world, zones, records, seed, count):
    """`count` queries over all zones, as many of each; `records` by apex, as an AXFR gives them."""
    made = []
    for number, zone in enumerate(zones):
        share = count * (number + 1) // len(zones) - count * number // len(zones)
        chance = random.Random(f"{seed}/{world}/{zone.apex}")
        made += for_zone(world, zone, records[zone.apex], chance, share)
    random.Random(f"{seed}/{world}").shuffle(made)
    return made


def for_zone(world, zone, records, chance, count):
    nodes, types = {}, set()
    for owner, rr_type, _, _, rdata in records:
        nodes.setdefault(owner, set()).add(rr_type)
        types.add(rr_type)
        for name in names_in(rr_type, rdata):
            nodes.setdefault(name, set())
    apex = from_text(zone.apex).lower()
    around = names_around(nodes, apex)
    types, at, around = sorted(types), sorted(nodes), sorted(around)
    # Each node with each of its types and the usual ones comes first, in a random order; the rest is chance.
    certain = [(name, rr_type) for name in at for rr_type in sorted(nodes[name].union(USUAL_TYPES))]
    certain += [(name, chance.choice(USUAL_TYPES + types)) for name in around]
    chance.shuffle(certain)
    picked = certain[:count]
    while len(picked) < count:
        name = chance.choice(at if chance.random() < 0.5 else around)
        kind = chance.random()
        picked.append((name, chance.choice(types if kind < 0.4 else USUAL_TYPES if kind < 0.9 else RARE_TYPES)))
    return [asked(world, zone, name, rr_type, chance) for name, rr_type in picked]


def names_in(rr_type, rdata):
    before, count = NAMES_IN_RDATA.get(rr_type, (0, 0))
    found, at = [], before
    for _ in range(count):
        end = at
        while end < len(rdata) and rdata[end]:
            end += 1 + rdata[end]
        if end < len(rdata):
            found.append(rdata[at:end + 1])
        at = end + 1
    return found


def names_around(nodes, apex):
    """What is above, below and beside the nodes, and outside of the zone."""
    found = set()
    for name in nodes:
        parts = labels(name)
        for depth in range(1, len(parts)):
            found.add(join(parts[depth:]))
        for label in (b"x", b"*", b"_443", b"a"):
            found.add(join([label] + parts))
        found.add(join([b"b", b"x"] + parts))
        if parts:
            found.update(join([label] + parts[1:]) for label in BESIDE)
            found.add(join([(parts[0] + b"x")[-63:]] + parts[1:]))
            found.add(join([parts[0][:-1] or b"q"] + parts[1:]))
        if len(parts) > 2:
            found.add(join([parts[0], b"*"] + parts[2:]))
    parts = labels(apex)
    found.update({b"\0", join([b"outside"] + parts[1:]), join([b"elsewhere", b"invalid"])})
    for label in (b"y" * 63, b"y" * 20):  # names about as long as names can be
        longest = parts
        while len(join([label] + longest)) <= 255:
            longest = [label] + longest
        found.add(join(longest))
    return {name for name in found if len(name) <= 255 and name not in nodes}


def asked(world, zone, name, rr_type, chance):
    rr_class = chance.choice((3, 4, 254, 255, 2)) if chance.random() < 0.01 else 1
    flags = 0x100 if chance.random() < 0.3 else 0
    flags |= 0x10 if chance.random() < 0.05 else 0
    flags |= 0x20 if chance.random() < 0.05 else 0
    return Query(world, zone.title, mixed_case(name, chance), rr_type, rr_class, flags, chance.random() < 0.2, edns(chance))


def mixed_case(name, chance):
    if chance.random() < 0.3:
        return name
    mixed = bytearray(name)
    at = 0
    while mixed[at]:
        for i in range(at + 1, at + 1 + mixed[at]):
            if 97 <= mixed[i] <= 122 and chance.getrandbits(1):
                mixed[i] -= 32
        at += 1 + mixed[at]
    return bytes(mixed)


def edns(chance):
    kind = chance.random()
    if kind < 0.3:
        return None
    size = chance.choice((512, 1232, 1232, 4096, 4096, 1400, 800, 0, 65535))
    version = 1 if kind > 0.98 else 0
    dnssec_ok = 0x8000 if chance.random() < 0.3 else 0
    other_flags = 0x0001 if chance.random() < 0.03 else 0
    options = chance.choice((UNKNOWN_OPTION, TWO_OPTIONS, NSID)) if chance.random() < 0.15 else b""
    return size, version, dnssec_ok | other_flags, options

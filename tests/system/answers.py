"""Ordinary records: each type of the example zone, negative answers, and what fits into a datagram."""

import dns.flags
import dns.rcode

from harness import Sluice, expect, expect_equal, test
from queries import ask, texts

STEERED = """
[pool.v1]
endpoints = ["127.0.1.1"]
[pool.v2]
endpoints = ["127.0.2.1"]
[steer."www.shop.example"]
pools = { v1 = 1 }
ttl = "30s"
[steer."shop.example"]
pools = { v1 = 1 }
ttl = "30s"
[steer."*.preview.shop.example"]
pools = { v2 = 1 }
ttl = "30s"
"""

# name, type -> the answer section; names are relative to shop.example, "" is the zone itself
ANSWERS = [
    ("", "SOA", ["@ 3600 IN SOA ns1.shop.example. hostmaster.shop.example. 1 3600 900 604800 60"]),
    ("", "NS", ["@ 3600 IN NS ns1.shop.example.", "@ 3600 IN NS ns2.shop.example."]),
    ("", "MX", ["@ 3600 IN MX 10 mail.shop.example."]),
    ("", "TXT", ['@ 3600 IN TXT "v=spf1 mx -all"']),
    ("", "CAA", ['@ 3600 IN CAA 0 issue "ca.example.net"']),
    ("", "A", ["@ 30 IN A 127.0.1.1"]),
    ("mail", "A", ["@ 3600 IN A 127.0.3.1"]),
    ("mail", "AAAA", ["@ 3600 IN AAAA 2001:db8:3::1"]),
    ("MAIL", "A", ["@ 3600 IN A 127.0.3.1"]),
    ("_imaps._tcp", "SRV", ["@ 3600 IN SRV 0 1 993 mail.shop.example."]),
    ("m", "CNAME", ["@ 3600 IN CNAME www.shop.example."]),
    ("m", "A", ["@ 3600 IN CNAME www.shop.example.", "www.shop.example. 30 IN A 127.0.1.1"]),
    ("www", "A", ["@ 30 IN A 127.0.1.1"]),
    ("www", "TXT", ['@ 3600 IN TXT "steered by Sluice"']),
    ("x.dev", "A", ["@ 3600 IN A 127.0.3.9"]),
    ("green.preview", "A", ["@ 30 IN A 127.0.2.1"]),
    ("a.b.preview", "A", ["@ 30 IN A 127.0.2.1"]),
    ("odd", "TYPE65280", ["@ 3600 IN TYPE65280 \\# 3 010203"]),
]

# name, type -> rcode; the authority section then holds the SOA with the negative TTL, and at a steered name with no more than the
# steer's own
NEGATIVE = [
    ("mail", "MX", dns.rcode.NOERROR),
    ("www", "AAAA", dns.rcode.NOERROR),
    ("_tcp", "A", dns.rcode.NOERROR),          # an empty non-terminal
    ("preview", "A", dns.rcode.NOERROR),       # the same, above a steered wildcard
    ("nothing", "A", dns.rcode.NXDOMAIN),
    ("below.mail", "A", dns.rcode.NXDOMAIN),
]

SOA = "shop.example. {ttl} IN SOA ns1.shop.example. hostmaster.shop.example. 1 3600 900 604800 60"


def full_name(name):
    return f"{name}.shop.example" if name else "shop.example"


def with_owner(lines, name):
    """dnspython writes names in lower case or as they came; the letter case of owners is compared elsewhere."""
    return sorted(line.replace("@", f"{full_name(name).lower()}.", 1) for line in lines)


def lower_owner(lines):
    return sorted(" ".join([line.split(" ", 1)[0].lower(), line.split(" ", 1)[1]]) for line in lines)


def start(sandbox, more_zone="odd TYPE65280 \\# 3 010203\n"):
    sluice = Sluice(sandbox, STEERED, more_zone)
    sluice.start()
    return sluice


@test
def answers_every_record_of_the_zone(sandbox):
    sluice = start(sandbox)
    for transport in ("udp", "tcp"):
        for name, rdtype, lines in ANSWERS:
            reply = ask(sluice.port, full_name(name), rdtype, transport)
            what = f"{name} {rdtype} over {transport}"
            expect_equal(what, lower_owner(texts(reply)), with_owner(lines, name))
            expect(reply.flags & dns.flags.AA, f"{what}: not authoritative")
            expect(not reply.flags & dns.flags.RA, f"{what}: says that it recurses")


@test
def gives_the_soa_with_negative_answers(sandbox):
    sluice = start(sandbox)
    for transport in ("udp", "tcp"):
        for name, rdtype, rcode in NEGATIVE:
            reply = ask(sluice.port, full_name(name), rdtype, transport)
            what = f"{name} {rdtype} over {transport}"
            expect_equal(f"rcode of {what}", reply.rcode(), rcode)
            expect_equal(f"answer of {what}", texts(reply), [])
            ttl = 30 if name == "www" else 60
            expect_equal(f"authority of {what}", texts(reply, "authority"), [SOA.format(ttl=ttl)])


@test
def refuses_what_is_outside_its_zones(sandbox):
    sluice = start(sandbox)
    for name in ("example", "example.net", "shop.example.net", "notshop.example", "."):
        reply = ask(sluice.port, name, "A")
        expect_equal(f"rcode for {name}", reply.rcode(), dns.rcode.REFUSED)
        expect_equal(f"records for {name}", len(reply.answer) + len(reply.authority), 0)


@test
def refers_to_the_servers_of_a_delegated_part(sandbox):
    sluice = start(sandbox)
    reply = ask(sluice.port, "host.labs.shop.example", "A")
    expect(not reply.flags & dns.flags.AA, "a referral is not authoritative")
    expect_equal("answer", texts(reply), [])
    expect_equal("authority", texts(reply, "authority"), ["labs.shop.example. 3600 IN NS ns.labs.shop.example."])
    expect_equal("additional", texts(reply, "additional"), ["ns.labs.shop.example. 3600 IN A 127.0.4.1"])


@test
def truncates_over_udp_and_sends_all_over_tcp(sandbox):
    strings = "".join(f'big TXT "{number:03} {"x" * 200}"\n' for number in range(40))
    sluice = start(sandbox, strings)
    plain = ask(sluice.port, "big.shop.example", "TXT")
    expect(plain.flags & dns.flags.TC, "a datagram cannot hold 8 KiB, TC has to say so")
    for payload in (512, 1232, 4096):
        reply = ask(sluice.port, "big.shop.example", "TXT", use_edns=0, payload=payload)
        expect(reply.flags & dns.flags.TC, f"TC with EDNS {payload}")
        expect(len(reply.to_wire()) <= min(payload, 1232), f"{len(reply.to_wire())} octets with EDNS {payload}")
        expect_equal("the size that we say we take", reply.payload, 1232)
    whole = ask(sluice.port, "big.shop.example", "TXT", "tcp")
    expect(not whole.flags & dns.flags.TC, "no TC over TCP")
    expect_equal("records over TCP", len(texts(whole)), 40)

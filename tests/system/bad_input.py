"""Bad configs and zones are refused with the place of every error; bad packets do not matter."""

import random
import re
import signal
import socket

from harness import Sluice, expect, expect_equal, poll, run, test
from queries import Asker, addresses, ask, question

GOOD = """
[check.web]
type = "http"
port = 8080
[pool.v1]
endpoints = ["127.0.1.1"]
[pool.v2]
endpoints = ["127.0.2.1"]
[steer."www.shop.example"]
pools = { v1 = 1, v2 = 1 }
"""

# (what is wrong, config after the first sections with § before the place of the error, a word of the message)
CONFIG_ERRORS = [
    ("an unknown key", GOOD.replace("port = 8080", "§prot = 8080"), "did you mean 'port'?"),
    ("an unknown table", GOOD + "\n[§stear.\"x.shop.example\"]\npools = { v1 = 1 }\n", "steer"),
    ("a wrong type", GOOD.replace("port = 8080", 'port = §"8080"'), "port"),
    ("a pool that does not exist", GOOD.replace("v2 = 1 }", "§v3 = 1 }"), "v3"),
    ("a check that does not exist", GOOD.replace("[pool.v1]\n", "[pool.v1]\ncheck = §\"wob\"\n"), "wob"),
    ("an address that is none", GOOD.replace('["127.0.1.1"]', '[§"127.0.1.256"]'), "127.0.1.256"),
    ("a steer outside every zone", GOOD.replace('[steer."www.shop.example"]', '[steer.§"www.other.example"]'), "zone"),
    ("a negative weight", GOOD.replace("v1 = 1,", "v1 = §-1,"), "0 or more"),
    ("all weights 0", GOOD.replace("{ v1 = 1, v2 = 1 }", "§{ v1 = 0, v2 = 0 }"), "0"),
    ("a duration without a unit", GOOD.replace("port = 8080", 'port = 8080\ninterval = §"2"'), "interval"),
    ("addresses and hosts in a pool", GOOD.replace('"127.0.1.1"', '"127.0.1.1", §"edge.cdn.test"'), "not both"),
    ("pools of addresses and of hosts", GOOD.replace('"127.0.2.1"', '"edge.cdn.test"').replace("v2 = 1 }", "§v2 = 1 }"), "v2"),
    ("a name that leads to itself", """
[pool.v1]
endpoints = ["www.shop.example"]
[steer.§"www.shop.example"]
pools = { v1 = 1 }
""", "itself"),
    ("a zone's apex that leads to a host", """
[pool.v1]
endpoints = ["edge.cdn.test"]
[steer.§"shop.example"]
pools = { v1 = 1 }
""", "apex"),
    ("TOML that is none", GOOD + "\n[broken§\n", ""),
]

# (what is wrong, lines after the example zone with § before the line of the error, a word of the message)
ZONE_ERRORS = [
    ("two SOAs", "§@ SOA ns1 hostmaster 2 3600 900 604800 60\n", "SOA"),
    ("data outside the zone", "§other.example. A 192.0.2.1\n", "outside"),
    ("CNAME beside other data", "§mail CNAME www\n", "CNAME"),
    ("several CNAMEs", "§m CNAME mail\n", "CNAME"),
    ("several DNAMEs", "old DNAME new\n§old DNAME newer\n", "DNAME"),
    ("a name below a DNAME", "old DNAME new\n§a.old A 192.0.2.1\n", "DNAME"),
    ("an address at a steered name", "§www A 192.0.2.1\n", "steer"),
    ("a record that cannot be read", "§host A 192.0.2.256\n", ""),
]


def place_of(marked):
    """(text without the mark, line, column)"""
    before = marked.split("§")[0]
    return marked.replace("§", ""), before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def check(sluice):
    return run([sluice.program("sluiced"), "--check", sluice.config_path])


def expect_error(what, result, file, line, column, word):
    expect_equal(f"exit code for {what}", result.returncode, 1)
    text = result.stdout + result.stderr
    place = f"{re.escape(file)}:{line}:{column if column else '[1-9][0-9]*'}: error: .+"
    found = [error for error in text.splitlines() if re.search(place, error)]
    expect(found, f"{what}: no error at {file}:{line}:{column or '*'} in:\n{text}")
    expect(any(word.lower() in error.lower() for error in found), f"{what}: {word!r} is not in {found}")


def expect_refused_start(sluice, what):
    """The daemon does not start either, and says the same."""
    result = run([sluice.program("sluiced"), "--config", sluice.config_path])
    expect_equal(f"exit code of a start with {what}", result.returncode, 1)
    expect(": error: " in result.stdout + result.stderr, f"a start with {what} says no error")


@test
def check_accepts_a_good_config(sandbox):
    sluice = Sluice(sandbox, GOOD)
    result = check(sluice)
    expect_equal(f"exit code\n{result.stdout}{result.stderr}", result.returncode, 0)


@test
def each_error_of_a_config_is_reported_at_its_place(sandbox):
    sluice = Sluice(sandbox)
    for what, marked, word in CONFIG_ERRORS:
        sluice.write_config(marked)
        with open(sluice.config_path, encoding="utf-8") as text:
            config, line, column = place_of(text.read())
        sandbox.write("sluice.toml", config)
        expect_error(what, check(sluice), "sluice.toml", line, column, word)
        expect_refused_start(sluice, what)


@test
def each_error_of_a_zone_is_reported_at_its_line(sandbox):
    sluice = Sluice(sandbox, GOOD)
    with open(sandbox.path("shop.example.zone"), encoding="utf-8") as text:
        good = text.read()
    for what, marked, word in ZONE_ERRORS:
        zone, line, _ = place_of(good + marked)
        sandbox.write("shop.example.zone", zone)
        expect_error(what, check(sluice), "shop.example.zone", line, None, word)
        expect_refused_start(sluice, what)


@test
def a_zone_without_soa_or_ns_is_refused(sandbox):
    sluice = Sluice(sandbox, GOOD)
    soa = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 900 604800 60\n"
    nameserver = "@ NS ns1\nns1 A 127.0.0.1\n"
    for what, zone, word in (("no SOA", "$TTL 60\n" + nameserver, "SOA"), ("no NS", soa + "ns1 A 127.0.0.1\n", "NS"),
                             ("an empty file", "", "SOA")):
        sandbox.write("shop.example.zone", zone)
        result = check(sluice)
        expect_equal(f"exit code for {what}", result.returncode, 1)
        expect(re.search(rf"shop\.example\.zone:\d+:\d+: error: .*{word}", result.stdout + result.stderr),
               f"{what}: not said in\n{result.stdout}{result.stderr}")


@test
def all_errors_are_reported_at_once(sandbox):
    config = GOOD.replace("port = 8080", "prot = 8080").replace("127.0.2.1", "nonsense").replace("v1 = 1,", "v1 = -1,")
    sluice = Sluice(sandbox, config)
    result = check(sluice)
    errors = [line for line in (result.stdout + result.stderr).splitlines() if ": error: " in line]
    for word in ("prot", "nonsense", "0 or more"):
        expect(any(word in error for error in errors), f"{word!r} is not in {errors}")
    sluice.write_config(GOOD)
    sandbox.write("shop.example.zone", "$TTL 60\n@ SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\nns1 A 1.2.3\nm CNAME a\nm CNAME b\n")
    result = check(sluice)
    errors = [line for line in (result.stdout + result.stderr).splitlines() if ": error: " in line]
    expect(len(errors) >= 2, f"two errors in the zone, but {errors}")


@test
def a_missing_file_is_an_error_at_its_key(sandbox):
    sluice = Sluice(sandbox, GOOD)
    config = open(sluice.config_path, encoding="utf-8").read().replace('file = "shop', 'file = "no')
    sandbox.write("sluice.toml", config)
    result = check(sluice)
    expect_equal("exit code", result.returncode, 1)
    expect("no.example.zone" in result.stdout + result.stderr, f"the file is not named:\n{result.stdout}{result.stderr}")
    result = run([sluice.program("sluiced"), "--check", sandbox.path("nowhere.toml")])
    expect_equal("exit code without a config", result.returncode, 1)
    expect("nowhere.toml" in result.stdout + result.stderr, "the config is not named")


@test
def a_port_in_use_is_an_error_at_its_entry(sandbox):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        sluice = Sluice(sandbox, GOOD)
        with socket.socket(socket.AF_INET, kind) as holder:
            holder.bind(("127.0.0.1", sluice.port))
            if kind == socket.SOCK_STREAM:
                holder.listen()
            result = run([sluice.program("sluiced"), "--config", sluice.config_path])
        expect_error("a port in use", result, "sluice.toml", 2, 11, str(sluice.port))


@test
def a_second_daemon_on_the_same_port_is_refused(sandbox):
    """SO_REUSEPORT alone would let both start, and split the queries between them."""
    sluice = Sluice(sandbox, GOOD)
    sluice.start()
    config = open(sluice.config_path, encoding="utf-8").read().replace('state = "state"', 'state = "state2"')
    other = sandbox.write("other.toml", config.replace("admin.sock", "admin2.sock"))
    result = run([sluice.program("sluiced"), "--config", other])
    expect_equal("exit code of the second one", result.returncode, 1)
    expect(str(sluice.port) in result.stderr + result.stdout, "the port is not named")
    expect_equal("the first one's answer", len(ask(sluice.port, "www.shop.example", "A").answer), 1)


def mutate(chance, packet):
    """A packet with some of its octets changed, cut, doubled or added."""
    wire = bytearray(packet)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(wire)) if wire else 0
        kind = chance.randrange(5)
        if kind == 0 and wire:
            wire[at] = chance.randrange(256)
        elif kind == 1 and wire:
            wire[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del wire[at:]
        elif kind == 3:
            wire[at:at] = chance.randbytes(chance.randrange(40))
        elif wire:
            wire[at:at] = wire[at:at + chance.randrange(80)]
    return bytes(wire)


def seeds():
    plain = [question(name, rdtype) for name in ("www.shop.example", "m.shop.example", "nothing.shop.example")
             for rdtype in ("A", "TXT", "ANY")]
    return plain + [question("www.shop.example", "A", ("10.1.2.0", 24)), b"", b"\0" * 12, b"\xff" * 512]


def expect_reply_in_kind(sent, reply):
    """FORMERR or a proper reply: the same id, QR set, at most 1,232 octets, and a question count of 0 or 1."""
    expect(reply[:2] == sent[:2] and reply[2] & 0x80, f"{sent.hex()} got {reply.hex()}")
    expect(len(reply) <= 1232 and reply[4:6] in (b"\0\0", b"\0\1"), f"{sent.hex()} got {reply.hex()}")


@test
def malformed_packets_never_end_the_daemon(sandbox):
    sluice = Sluice(sandbox, GOOD)
    sluice.start()
    chance = random.Random(20)
    packets = [mutate(chance, chance.choice(seeds())) for _ in range(20_000)]
    good = question("www.shop.example", "A")
    replies = 0
    with Asker(sluice.port) as asker:
        for number, packet in enumerate(packets):
            if packet[:2] == b"\x7f\x7f":
                continue
            asker.socket.send(packet)
            # A question behind it tells when the malformed one has been dealt with.
            asker.socket.send(b"\x7f\x7f" + good[2:])
            while (reply := asker.socket.recv(65535))[:2] != b"\x7f\x7f":
                expect_reply_in_kind(packet, reply)
                replies += 1
            expect(addresses(reply), f"no answer after packet {number}: {packet.hex()}")
    sandbox.note(f"{len(packets)} malformed packets over UDP, {replies} replies")
    send_over_tcp(sluice, packets[:2000])
    expect(sluice.process.alive(), "the daemon has ended")
    expect_equal("the answer afterwards", len(ask(sluice.port, "www.shop.example", "A", "tcp").answer), 1)


def send_over_tcp(sluice, packets):
    """Each on its own connection, that is closed without waiting for a reply."""
    for number, packet in enumerate(packets):
        with socket.create_connection(("127.0.0.1", sluice.port), timeout=10) as connection:
            length = len(packet) if number % 4 else min(len(packet) + 7, 65535)
            connection.sendall(length.to_bytes(2, "big") + packet)


@test
def a_reply_is_never_answered(sandbox):
    sluice = Sluice(sandbox, GOOD)
    sluice.start()
    good = question("www.shop.example", "A")
    with Asker(sluice.port) as asker:
        asker.socket.send(b"\1\1\x80\0" + good[4:])
        asker.socket.send(b"\2\2" + good[2:])
        expect_equal("id of the first reply", asker.socket.recv(65535)[:2], b"\2\2")


@test
def a_reload_of_a_broken_config_changes_nothing(sandbox):
    sluice = Sluice(sandbox, GOOD)
    sluice.start()
    for what, text in (("config", GOOD.replace("port =", "prot =")), ("config", "[broken")):
        sluice.write_config(text)
        before = sluice.process.log().count(": error: ")
        sluice.process.signal(signal.SIGHUP)
        poll(f"the errors of the broken {what}", lambda n=before: sluice.process.log().count(": error: ") > n)
        expect_equal("answers", len(ask(sluice.port, "www.shop.example", "A").answer), 1)
        result = sluice.run_ctl("reload")
        expect_equal("exit code of sluicectl reload", result.returncode, 1)
        expect("sluice.toml:" in result.stderr, f"the place of the error is not named: {result.stderr}")
    sluice.write_config(GOOD)
    sandbox.write("shop.example.zone", "nonsense\n")
    result = sluice.run_ctl("reload")
    expect_equal("exit code of sluicectl reload with a broken zone", result.returncode, 1)
    expect_equal("answers", len(ask(sluice.port, "mail.shop.example", "A").answer), 1)

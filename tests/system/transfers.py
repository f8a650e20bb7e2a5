"""Zone transfers, signed messages and NOTIFY: kdig, dig and dnspython as clients, NSD and Knot as secondaries."""

import os
import socket
import struct
import time
from unittest import mock

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.zone

from harness import Failure, Sluice, expect, expect_equal, free_port, poll, run, test
from nsd import server_section
from queries import ask, texts

SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiB0cmFuc2ZlcnM="
KEY = f"hmac-sha256:xfr:{SECRET}"
KEYS = f"""
[key.xfr]
secret = "{SECRET}"
[key.other]
secret = "{SECRET}"
"""
STEERED = """
[pool.v1]
endpoints = ["127.0.1.1", "127.0.1.2", "2001:db8::1"]
[pool.v2]
endpoints = ["127.0.2.1"]
[steer."www.shop.example"]
pools = { v1 = 1, v2 = 0 }
ttl = "30s"
"""


def served(sandbox, zone_keys, more_zone="", config=STEERED + KEYS):
    """A running sluiced; `zone_keys` are lines of [zone."shop.example"]."""
    sluice = Sluice(sandbox, zone_keys + "\n" + config, more_zone=more_zone)
    sluice.start()
    return sluice


def kdig(sluice, *arguments):
    return run(["kdig", "@127.0.0.1", "-p", str(sluice.port), *arguments])


def dig(sluice, *arguments):
    return run(["dig", "@127.0.0.1", "-p", str(sluice.port), *arguments])


def records(output):
    """The records that kdig or dig printed, without TSIG."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line and not line.startswith(";")]
    return [line for line in lines if " TSIG " not in line]


EXPECTED = [
    "shop.example. 3600 IN NS ns1.shop.example.",
    "labs.shop.example. 3600 IN NS ns.labs.shop.example.",
    "ns.labs.shop.example. 3600 IN A 127.0.4.1",
    "*.dev.shop.example. 3600 IN A 127.0.3.9",
    'www.shop.example. 3600 IN TXT "steered by Sluice"',
    "www.shop.example. 30 IN A 127.0.1.1",
    "www.shop.example. 30 IN A 127.0.1.2",
    "www.shop.example. 30 IN AAAA 2001:db8::1",
]


def check_transfer(what, output):
    lines = records(output)
    expect(len(lines) > 10 and lines[0] == lines[-1] and " SOA " in lines[0], f"{what}: no transfer:\n{output}")
    for line in EXPECTED:
        expect_equal(f"{what}: {line}", lines.count(line), 1)
    expect_equal(f"{what}: addresses of www", sum(line.startswith("www.") and " A " in line for line in lines), 2)


@test
def kdig_and_dig_transfer_the_zone(sandbox):
    sluice = served(sandbox, 'transfer = ["127.0.0.9", { key = "xfr" }]')
    check_transfer("kdig AXFR -y", kdig(sluice, "shop.example", "AXFR", "-y", KEY).stdout)
    check_transfer("kdig AXFR by address", kdig(sluice, "shop.example", "AXFR", "-b", "127.0.0.9").stdout)
    check_transfer("dig AXFR -y", dig(sluice, "-y", KEY, "shop.example", "AXFR").stdout)
    check_transfer("dig IXFR of an old serial", dig(sluice, "-y", KEY, "shop.example", "IXFR=0").stdout)
    current = [line for line in records(dig(sluice, "-y", KEY, "shop.example", "IXFR=1").stdout) if " SOA " in line]
    expect_equal("records of IXFR of the current serial", len(current), 1)


@test
def a_signed_question_gets_a_signed_answer(sandbox):
    sluice = served(sandbox, 'transfer = [{ key = "xfr" }]')
    for transport in ("+notcp", "+tcp"):
        output = dig(sluice, "-y", KEY, transport, "shop.example", "SOA").stdout
        expect("status: NOERROR" in output and "TSIG PSEUDOSECTION" in output, output)
        expect("couldn't verify" not in output.lower() and "some tsig could not be validated" not in output.lower(), output)
    keyring = dns.tsig.Key("xfr.", SECRET, "hmac-sha256.")
    for name in ("www.shop.example", "nothing.shop.example", "elsewhere.test"):
        query = dns.message.make_query(name, "A")
        query.use_tsig(keyring)
        reply = dns.query.udp(query, "127.0.0.1", timeout=10, port=sluice.port)  # raises when it does not verify
        expect(reply.had_tsig, f"{name}: the reply is not signed")


@test
def who_may_not_transfer_is_refused(sandbox):
    sluice = served(sandbox, 'transfer = ["127.0.0.9", { address = "127.0.0.10", key = "xfr" }, "2001:db8::/32"]')
    for what, arguments, status in (
            ("an address that is not named", [], "REFUSED"),
            ("a key that is not enough", ["-y", KEY], "REFUSED"),
            ("an address that needs a key", ["-b", "127.0.0.10"], "REFUSED"),
            ("another key", ["-b", "127.0.0.10", "-y", KEY.replace("xfr", "other")], "REFUSED"),
            ("a key that there is not", ["-y", KEY.replace("xfr", "nobody")], "NOTAUTH"),
            ("another secret", ["-y", KEY.replace("c2Vj", "AAAA")], "NOTAUTH"),
            ("another algorithm", ["-y", KEY.replace("256", "512")], "NOTAUTH")):
        output = kdig(sluice, "shop.example", "AXFR", *arguments)
        text = output.stdout + output.stderr
        expect(status in text or (status == "NOTAUTH" and ("BADKEY" in text or "BADSIG" in text)), f"{what}: {text}")
        expect("127.0.1.1" not in text, f"{what}: {text}")
    check_transfer("both", kdig(sluice, "shop.example", "AXFR", "-b", "127.0.0.10", "-y", KEY).stdout)
    for line in sluice.ctl("events").splitlines() + sluice.process.log().splitlines() + [sluice.ctl("--json", "status")]:
        expect(SECRET[:12] not in line, "a secret is shown")


@test
def errors_of_keys_and_clocks_are_told_apart(sandbox):
    sluice = served(sandbox, 'transfer = [{ key = "xfr" }]')

    def outcome(key, seconds=0):
        query = dns.message.make_query("shop.example", "SOA")
        query.use_tsig(key)
        now = time.time()
        with mock.patch("time.time", lambda: now + seconds):
            wire = query.to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(wire, ("127.0.0.1", sluice.port))
            reply = client.recv(65535)
        try:
            with mock.patch("time.time", lambda: now + seconds):
                dns.message.from_wire(reply, keyring={key.name: key}, request_mac=query.mac)
        except dns.tsig.PeerError as error:
            return type(error).__name__
        return "good"

    good = dns.tsig.Key("xfr.", SECRET, "hmac-sha256.")
    expect_equal("a good key", outcome(good), "good")
    expect_equal("a clock that is nearly right", outcome(good, 200), "good")
    expect_equal("a clock that is late", outcome(good, -1000), "PeerBadTime")
    expect_equal("a clock that is early", outcome(good, 1000), "PeerBadTime")
    expect_equal("an unknown key", outcome(dns.tsig.Key("nobody.", SECRET, "hmac-sha256.")), "PeerBadKey")
    expect_equal("another secret", outcome(dns.tsig.Key("xfr.", "AAAA", "hmac-sha256.")), "PeerBadSignature")


class Secondary:
    """A server of another make that has the zone from us."""

    def __init__(self, sandbox, sluice, key):
        self.sandbox, self.primary, self.key = sandbox, sluice.port, key
        self.port = None
        self.process = None

    def serial(self):
        try:
            reply = dns.query.udp(dns.message.make_query("shop.example", "SOA"), "127.0.0.1", timeout=1, port=self.port)
        except (OSError, dns.exception.Timeout):
            return None
        return reply.answer[0][0].serial if reply.answer else None

    def start(self, port):
        self.port = port
        folder = self.sandbox.path(type(self).__name__)
        os.makedirs(folder)
        self.write(folder)
        self.process = self.sandbox.start(type(self).__name__, self.program(folder))


class Nsd(Secondary):
    def write(self, folder):
        key = "xfr" if self.key else "NOKEY"
        self.sandbox.write("Nsd/nsd.conf", server_section("127.0.0.1", self.port, folder, '  chroot: ""\n') + f"""key:
  name: xfr
  algorithm: hmac-sha256
  secret: "{SECRET}"
zone:
  name: shop.example
  zonefile: shop.zone
  request-xfr: 127.0.0.1@{self.primary} {key}
  allow-notify: 127.0.0.1 {key}
""")

    def program(self, folder):
        return ["/usr/sbin/nsd", "-d", "-c", f"{folder}/nsd.conf"]


class Knot(Secondary):
    def write(self, folder):
        key = "    key: xfr\n" if self.key else ""
        self.sandbox.write("Knot/knot.conf", f"""server:
  listen: 127.0.0.1@{self.port}
  rundir: "{folder}"
database:
  storage: "{folder}"
log:
  - target: stderr
    any: info
key:
  - id: xfr
    algorithm: hmac-sha256
    secret: {SECRET}
remote:
  - id: primary
    address: 127.0.0.1@{self.primary}
{key}acl:
  - id: primary
    address: 127.0.0.1
    action: notify
{key}zone:
  - domain: shop.example
    storage: "{folder}"
    master: primary
    acl: primary
""")

    def program(self, folder):
        return ["/usr/sbin/knotd", "-c", f"{folder}/knot.conf"]


def check_secondary(sandbox, make, key):
    """It transfers the zone, hears of a change by NOTIFY (the zone's refresh is an hour), and answers as we do."""
    port = free_port()
    entry = f'{{ address = "127.0.0.1:{port}", key = "xfr" }}' if key else f'"127.0.0.1:{port}"'
    allowed = '{ key = "xfr" }' if key else '"127.0.0.1"'
    zone_keys = f"transfer = [{allowed}]\nnotify = [{entry}]"
    sluice = served(sandbox, zone_keys)
    secondary = make(sandbox, sluice, key)
    secondary.start(port)
    name = make.__name__
    poll(f"the zone at {name}", lambda: secondary.serial() == 1)
    with open(sandbox.path("shop.example.zone"), encoding="utf-8") as text:
        zone = text.read()
    sandbox.write("shop.example.zone", zone.replace(" 1 ", " 2 ", 1) + 'news TXT "fresh"\n')
    sluice.ctl("reload")
    expect_equal("serial of sluiced", texts(ask(sluice.port, "shop.example", "SOA"))[0].split()[6], "2")
    poll(f"the new serial at {name}", lambda: secondary.serial() == 2)
    for question in (("shop.example", "MX"), ("news.shop.example", "TXT"), ("x.dev.shop.example", "A"),
                     ("x.labs.shop.example", "A"), ("www.shop.example", "TXT"), ("www.shop.example", "AAAA"),
                     ("nothing.shop.example", "A")):
        ours, theirs = ask(sluice.port, *question), ask(port, *question)
        expect_equal(f"code of {question}", theirs.rcode(), ours.rcode())
        for section in ("answer", "authority"):
            if section == "authority" and ours.answer:
                continue  # we do not repeat the apex' NS there
            expect_equal(f"{section} of {question}", sorted(texts(theirs, section)), sorted(texts(ours, section)))
    poll("the outcome of NOTIFY", lambda: "notify.answered" in sluice.ctl("--json", "events"))


@test
def nsd_is_told_and_transfers(sandbox):
    check_secondary(sandbox, Nsd, key=False)


@test
def nsd_is_told_and_transfers_signed(sandbox):
    check_secondary(sandbox, Nsd, key=True)


@test
def knot_is_told_and_transfers(sandbox):
    check_secondary(sandbox, Knot, key=False)


@test
def knot_is_told_and_transfers_signed(sandbox):
    check_secondary(sandbox, Knot, key=True)


class Deaf:
    """A socket where NOTIFY arrives, and that answers as it is told."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(15)
        self.port = self.socket.getsockname()[1]

    def receive(self):
        return self.socket.recvfrom(65535)


@test
def notify_is_repeated_until_it_is_answered(sandbox):
    deaf = Deaf()
    sluice = served(sandbox, f'notify = ["127.0.0.1:{deaf.port}"]')
    first, _ = deaf.receive()
    second, sender = deaf.receive()
    expect_equal("the second attempt", second, first)
    message = dns.message.from_wire(first)
    expect_equal("opcode", message.opcode(), dns.opcode.NOTIFY)
    expect_equal("question", str(message.question[0]), "shop.example. IN SOA")
    expect_equal("serial", message.answer[0][0].serial, 1)
    # An answer that is none of ours, and then one that is.
    deaf.socket.sendto(b"\xff" + bytes([first[1] ^ 1]) + b"\xa4\x05" + first[4:], sender)
    deaf.socket.sendto(first[:2] + b"\xa4\x05" + first[4:], sender)
    event = poll("the outcome", lambda: [line for line in sluice.ctl("events").splitlines() if "REFUSED" in line])
    expect(f"127.0.0.1:{deaf.port}" in event[0], event[0])
    # The same serial is no news.
    sluice.ctl("reload")
    deaf.socket.settimeout(1.5)
    try:
        deaf.receive()
        raise Failure("NOTIFY without a new serial")
    except socket.timeout:
        pass


BIG = 100_000


def big_zone(sandbox):
    sluice = served(sandbox, 'transfer = ["127.0.0.0/8", { key = "xfr" }]',
                    "".join(f"host{number} A 127.0.{number >> 8 & 255}.{number & 255}\n" for number in range(BIG)))
    return sluice


@test
def a_zone_of_100000_records_is_transferred(sandbox):
    sluice = big_zone(sandbox)
    for arguments in ([], ["-y", KEY]):
        started = time.monotonic()
        lines = records(kdig(sluice, "shop.example", "AXFR", *arguments).stdout)
        sandbox.note(f"kdig {' '.join(arguments[:1])}: {len(lines)} records in {time.monotonic() - started:.2f} s")
        hosts = [line for line in lines if line.startswith("host")]
        expect_equal("hosts", len(hosts), BIG)
        expect_equal("different hosts", len(set(hosts)), BIG)
        expect_equal("the last record", lines[-1], lines[0])


def start_transfer(sluice):
    """A client that asks for a transfer and does not read it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", sluice.port))
    query = dns.message.make_query("shop.example", "AXFR").to_wire()
    client.sendall(struct.pack("!H", len(query)) + query)
    return client


def memory_kib(sluice):
    with open(f"/proc/{sluice.process.popen.pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@test
def clients_that_do_not_read_their_transfers_cost_little(sandbox):
    sluice = big_zone(sandbox)
    before = memory_kib(sluice)
    # The first of each reply is read, so that it is known to have begun.
    slow = [start_transfer(sluice) for _ in range(10)]
    for client in slow:
        expect(client.recv(64), "a transfer did not begin")
    late = start_transfer(sluice)
    reply = late.recv(65535)
    expect_equal("code of the eleventh", reply[5] & 15, dns.rcode.SERVFAIL)
    grown = memory_kib(sluice) - before
    sandbox.note(f"10 transfers that nobody reads: {grown} KiB more")
    expect(grown < 16 * 1024, f"{grown} KiB for 10 transfers")
    expect_equal("a question meanwhile", ask(sluice.port, "shop.example", "SOA", transport="tcp").rcode(), 0)
    for client in slow + [late]:
        client.close()
    poll("room for a new transfer", lambda: len(records(kdig(sluice, "shop.example", "AXFR").stdout)) > BIG)

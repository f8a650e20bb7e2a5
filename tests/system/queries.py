"""Questions and answers: dnspython where all of a reply matters, our own few lines where many thousands are asked.

    ask(port, "www.shop.example", "A")                        one question over UDP; dnspython's message
    replies = ask_many(port, [question(...), ...])            in the order of the questions
    addresses(reply)                                          ["127.0.1.1"]
"""

import socket
import struct

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from harness import Failure

TIMEOUT_S = 10
WINDOW = 64  # questions under way at once; what a socket's buffer holds without loss
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "ANY": 255, "CAA": 257}


def ask(port, name, rdtype, transport="udp", **options):
    """`options` are dns.message.make_query's."""
    query = dns.message.make_query(name, rdtype, **options)
    query.flags &= ~dns.flags.RD
    send = dns.query.udp if transport == "udp" else dns.query.tcp
    return send(query, "127.0.0.1", timeout=TIMEOUT_S, port=port)


def texts(reply, section="answer"):
    """The records as text: "www.shop.example. 30 IN A 127.0.1.1"."""
    return [line for rrset in getattr(reply, section) for line in rrset.to_text().splitlines()]


def question(name, rdtype, subnet=None, recursive=False):
    """A query in wire form with id 0; with EDNS Client Subnet when `subnet` is (IPv4 network as text, prefix length); `recursive`: for a
    resolver."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    header = struct.pack("!6H", 0, dns.flags.RD if recursive else 0, 1, 0, 0, 1 if subnet else 0)
    wire = header + labels + b"\0" + struct.pack("!2H", TYPES[rdtype], 1)
    return wire if subnet is None else wire + client_subnet(*subnet)


def client_subnet(network, prefix_length):
    """An OPT record with the option of RFC 7871, section 6."""
    data = struct.pack("!HBB", 1, prefix_length, 0) + socket.inet_aton(network)[: (prefix_length + 7) // 8]
    option = struct.pack("!2H", 8, len(data)) + data
    return b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option


def skip_name(wire, at):
    while wire[at]:
        if wire[at] >= 0xC0:
            return at + 2
        at += 1 + wire[at]
    return at + 1


def addresses(wire):
    """The A and AAAA records of the answer section."""
    at = skip_name(wire, 12) + 4
    found = []
    for _ in range(struct.unpack_from("!H", wire, 6)[0]):
        at = skip_name(wire, at)
        rdtype, _, _, length = struct.unpack_from("!2HIH", wire, at)
        at += 10
        if rdtype in (1, 28):
            found.append(socket.inet_ntop(socket.AF_INET if rdtype == 1 else socket.AF_INET6, wire[at:at + length]))
        at += length
    return found


class Asker:
    """One client: a connected UDP socket."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def exchange(self, wire):
        self.socket.send(wire)
        return self.socket.recv(65535)

    def addresses(self, wire):
        return addresses(self.exchange(wire))

    def ask_many(self, questions):
        """The replies, in the order of the questions."""
        replies = [None] * len(questions)
        for start in range(0, len(questions), WINDOW):
            window = questions[start:start + WINDOW]
            for number, wire in enumerate(window):
                self.socket.send(struct.pack("!H", number) + wire[2:])
            for _ in window:
                reply = self.socket.recv(65535)
                replies[start + struct.unpack_from("!H", reply)[0]] = reply
        if None in replies:
            raise Failure("a question got two replies, and another one none")
        return replies


def ask_many(port, questions):
    with Asker(port) as asker:
        return asker.ask_many(questions)

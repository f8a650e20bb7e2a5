"""Clients that mean harm, or are broken: what they do costs the others nothing."""

import os
import random
import re
import resource
import select
import socket
import struct
import threading
import time

from harness import Sluice, expect, expect_equal, poll, test
from queries import Asker, addresses, ask_many, question

CONFIG = """
[check.alive]
type = "tcp"
port = {check_port}
interval = "200ms"
timeout = "200ms"
rise = 1
fall = 1
[pool.v1]
check = "alive"
endpoints = ["127.0.0.1"]
[steer."www.shop.example"]
pools = {{ v1 = 1 }}
"""
PLAIN_CONFIG = """
[pool.v1]
endpoints = ["127.0.1.1"]
[steer."www.shop.example"]
pools = { v1 = 1 }
"""
GOOD = question("www.shop.example", "A")
LONG_TEXTS = "".join(f'long TXT "{letter * 250}"\n' for letter in "abcdefgh")
LONG = question("long.shop.example", "TXT")


def framed(message):
    return struct.pack("!H", len(message)) + message


def with_type(number):
    return GOOD[:-4] + struct.pack("!2H", number, 1)


def with_id(number, message=GOOD):
    return struct.pack("!H", number) + message[2:]


def connect(sluice, source="127.0.0.1"):
    """From any address of 127.0.0.0/8, so that one machine is many clients."""
    client = socket.socket()
    client.settimeout(20)
    client.bind((source, 0))
    client.connect(("127.0.0.1", sluice.port))
    return client


def receive_exactly(client, size):
    data = b""
    while len(data) < size:
        more = client.recv(min(size - len(data), 1 << 16))
        expect(more, f"the connection ended {size - len(data)} octets before the end of a reply")
        data += more
    return data


def receive_message(client):
    return receive_exactly(client, struct.unpack("!H", receive_exactly(client, 2))[0])


def resident_kib(process):
    with open(f"/proc/{process.popen.pid}/status", encoding="utf-8") as text:
        return int(re.search(r"^VmRSS:\s+(\d+)", text.read(), re.MULTILINE)[1])


def descriptors(process):
    return len(os.listdir(f"/proc/{process.popen.pid}/fd"))


def tcp_states(port):
    """How many of the server's connections are in each state; "08" is CLOSE_WAIT, "01" established (proc(5))."""
    states = {}
    with open("/proc/net/tcp", encoding="utf-8") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == port and fields[3] != "0A":
                states[fields[3]] = states.get(fields[3], 0) + 1
    return states


def expect_udp(sluice, count=200):
    """All of them, and every one with the right answer."""
    for reply in ask_many(sluice.port, [GOOD] * count):
        expect(addresses(reply), f"an empty answer: {reply.hex()}")


def expect_tcp(sluice):
    with connect(sluice) as client:
        client.sendall(framed(GOOD))
        expect(addresses(receive_message(client)), "an empty answer over TCP")


@test
def all_65536_types_are_answered_over_udp_and_tcp(sandbox):
    sluice = Sluice(sandbox, PLAIN_CONFIG)
    sluice.start()
    replies = ask_many(sluice.port, [with_type(number) for number in range(65536)])
    expect_equal("replies over UDP", len(replies), 65536)
    with connect(sluice) as client:
        for start in range(0, 65536, 64):
            client.sendall(b"".join(framed(with_id(number, with_type(number))) for number in range(start, start + 64)))
            for number in range(start, start + 64):
                reply = receive_message(client)
                expect_equal("id of a reply over TCP", struct.unpack_from("!H", reply)[0], number)
                # Transfers differ by transport; of all others UDP and TCP say the same.
                if number not in (251, 252):
                    expect_equal(f"rcode of type {number}", reply[3] & 15, replies[number][3] & 15)


class Acceptor(threading.Thread):
    """What the checks connect to. Counts how often they did."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        self.start()

    def run(self):
        while True:
            try:
                self.listener.accept()[0].close()
            except OSError:
                return
            self.accepted += 1


@test
def udp_and_checks_go_on_when_connections_have_taken_all_descriptors(sandbox):
    checked = Acceptor()
    sluice = Sluice(sandbox, CONFIG.format(check_port=checked.port))
    sluice.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    poll("the first check", lambda: sluice.endpoint("127.0.0.1")["health"] == "up")
    clients = []
    try:
        for number in range(1000):
            clients.append(connect(sluice, f"127.0.1.{number // 50 + 1}"))
        expect_udp(sluice)
        before = checked.accepted
        poll("five more checks", lambda: checked.accepted >= before + 5)
        expect_equal("health", sluice.endpoint("127.0.0.1")["health"], "up")
        expect_udp(sluice)
        expect(descriptors(sluice.process) <= 64, "more descriptors than allowed")
    finally:
        for client in clients:
            client.close()
    expect_tcp(sluice)
    expect(len(sluice.process.log()) < 100_000, "the log is flooded")
    sandbox.note(f"1,000 connections, 64 descriptors: {checked.accepted} checks went on")


@test
def ten_thousand_queries_pipelined_on_one_connection(sandbox):
    sluice = Sluice(sandbox, PLAIN_CONFIG, more_zone=LONG_TEXTS)
    sluice.start()
    before = resident_kib(sluice.process)
    with connect(sluice) as client:
        queries = b"".join(framed(with_id(number, LONG)) for number in range(10_000))
        sender = threading.Thread(target=client.sendall, args=(queries,), daemon=True)
        sender.start()
        expect_udp(sluice)  # nothing is read yet: some 20 MB of replies are due
        for number in range(10_000):
            expect_equal("id of the next reply", struct.unpack_from("!H", receive_message(client))[0], number)
        sender.join()
    grown = resident_kib(sluice.process) - before
    expect(grown < 16 * 1024, f"the daemon has grown by {grown} KiB")
    sandbox.note(f"10,000 queries, 20 MB of replies: {grown} KiB more memory")


@test
def five_hundred_clients_that_never_read(sandbox):
    sluice = Sluice(sandbox, PLAIN_CONFIG, more_zone=LONG_TEXTS)
    sluice.start()
    expect_tcp(sluice)
    idle_descriptors, before = descriptors(sluice.process), resident_kib(sluice.process)
    block = b"".join(framed(with_id(number, LONG)) for number in range(200))
    clients, highest = [], 0
    try:
        for number in range(500):
            client = connect(sluice, f"127.0.2.{number // 50 + 1}")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            clients.append(client)
        for _ in range(20):
            for client in clients:
                try:
                    client.send(block)
                except OSError:  # its buffers are full, or it has been closed: either is what we are here for
                    pass
            highest = max(highest, resident_kib(sluice.process))
            expect_udp(sluice, 64)
        # It is the server that ends it, while the clients hold on.
        poll("the end of clients that never read", lambda: descriptors(sluice.process) <= idle_descriptors, 60)
    finally:
        for client in clients:
            client.close()
    grown = max(highest, resident_kib(sluice.process)) - before
    expect(grown < 64 * 1024, f"the daemon has grown by {grown} KiB")
    expect_tcp(sluice)
    sandbox.note(f"500 clients that never read: at most {grown} KiB more memory")


def longest_query(identifier):
    """65,535 octets: an additional record that means nothing to us fills it up."""
    filler = 65535 - len(GOOD) - 11
    record = b"\0" + struct.pack("!2HIH", 65280, 1, 0, filler) + b"\xaa" * filler
    return struct.pack("!6H", identifier, 0, 1, 0, 0, 1) + GOOD[12:] + record


@test
def messages_of_65535_octets_in_random_pieces(sandbox):
    sluice = Sluice(sandbox, PLAIN_CONFIG)
    sluice.start()
    chance = random.Random(8620)
    clients = [connect(sluice) for _ in range(20)]
    try:
        unsent = [framed(longest_query(number)) + framed(with_id(1000 + number)) for number in range(len(clients))]
        while any(unsent):
            number = chance.choice([number for number, rest in enumerate(unsent) if rest])
            size = chance.choice([1, 2, 3, 7, 100, 1459, 4096, 30_000, 65_535])
            clients[number].sendall(unsent[number][:size])
            unsent[number] = unsent[number][size:]
        for number, client in enumerate(clients):
            for identifier in (number, 1000 + number):
                reply = receive_message(client)
                expect_equal("id", struct.unpack_from("!H", reply)[0], identifier)
                expect(addresses(reply), f"no answer to a message of 65,535 octets: {reply[:64].hex()}")
    finally:
        for client in clients:
            client.close()
    expect_udp(sluice)


def leave_at_once(_client):
    pass


def leave_in_the_length(client):
    client.send(b"\0")


def leave_in_the_message(client):
    client.send(framed(GOOD)[:20])


def leave_before_the_reply(client):
    client.send(framed(GOOD))


def leave_after_half_closing(client):
    client.send(framed(GOOD) * 3)
    client.shutdown(socket.SHUT_WR)


def leave_with_a_reset(client):
    client.send(framed(GOOD) * 2)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def leave_in_the_reply(client):
    client.send(framed(LONG) * 20)
    client.recv(1)


LEAVINGS = [leave_at_once, leave_in_the_length, leave_in_the_message, leave_before_the_reply, leave_after_half_closing,
            leave_with_a_reset, leave_in_the_reply]


@test
def ten_thousand_clients_that_leave_in_mid_exchange_leave_no_socket_behind(sandbox):
    sluice = Sluice(sandbox, PLAIN_CONFIG, more_zone=LONG_TEXTS)
    sluice.start()
    expect_tcp(sluice)
    poll("the end of the first connection", lambda: not tcp_states(sluice.port).get("01"))
    idle_descriptors, before = descriptors(sluice.process), resident_kib(sluice.process)
    for number in range(10_000):
        client = connect(sluice, f"127.0.3.{number % 200 + 1}")
        LEAVINGS[number % len(LEAVINGS)](client)
        client.close()
    expect_udp(sluice)
    poll("every descriptor given back", lambda: descriptors(sluice.process) <= idle_descriptors)
    states = tcp_states(sluice.port)
    expect_equal("connections in CLOSE_WAIT and established", (states.get("08", 0), states.get("01", 0)), (0, 0))
    grown = resident_kib(sluice.process) - before
    expect(grown < 8 * 1024, f"the daemon has grown by {grown} KiB")
    expect_tcp(sluice)
    sandbox.note(f"10,000 ends in mid-exchange: no descriptor left, {grown} KiB more memory")


@test
def floods_of_random_names_and_malformed_packets_leave_good_answers_alone(sandbox):
    """Sent blindly for two seconds; of good questions asked meanwhile none goes unanswered for long."""
    sluice = Sluice(sandbox, PLAIN_CONFIG)
    sluice.start()
    before = resident_kib(sluice.process)
    chance = random.Random(50868)
    bad = [GOOD[:12] + bytes([20]) + chance.randbytes(20) + b"\4shop\7example\0\0\1\0\1" for _ in range(500)]
    bad += [chance.randbytes(chance.randrange(1, 600)) for _ in range(500)]
    answered = asked = flooded = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood, Asker(sluice.port) as asker:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for packet in chance.sample(bad, 50):
                flood.sendto(packet, ("127.0.0.1", sluice.port))
                flooded += 1
            asker.socket.send(GOOD)
            asked += 1
            if select.select([asker.socket], [], [], 1)[0]:
                answered += bool(addresses(asker.socket.recv(4096)))
    expect(asked - answered <= asked // 100, f"{asked - answered} of {asked} good questions were not answered")
    grown = resident_kib(sluice.process) - before
    expect(grown < 8 * 1024, f"the daemon has grown by {grown} KiB")
    sandbox.note(f"{flooded} bad packets: {answered} of {asked} good questions answered, {grown} KiB more memory")

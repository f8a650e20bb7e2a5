"""What good queries notice while the server is abused. Called by tests/abuse/run; not one of the ordinary tests, as its figures
want a quiet machine.

    undisturbed   dnsperf offers good queries at a fixed rate
    abused        the same rate, and beside it as many malformed packets, 10,000 idle TCP connections and 100 slow readers

Fair on two cores: the daemon has CPU 0 for itself, everything that generates load shares CPU 1. The rate is a third of what this
pair does at most, measured first: it is the generator that is at its limit there, and it has to have time for as many
malformed packets and the connections, too. When it falls behind all the same, fewer queries are sent than were offered,
which is no fault of the daemon's: so both are compared, what was answered and what of the sent was answered. Both runs are of
the same length and offer the same rate. Everything stays on loopback.
"""

import argparse
import os
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import harness  # pylint: disable=wrong-import-position
from abuse import LONG, LONG_TEXTS, descriptors, framed, resident_kib, with_id  # pylint: disable=wrong-import-position
from queries import question  # pylint: disable=wrong-import-position

SERVER_CPU, LOAD_CPU = 0, 1
WARM_UP_S = 5
RATIO_MIN = 0.9
GROWTH_MAX_KIB = 256 * 1024
IDLE_PER_ADDRESS = 50  # below what one client may have
SLOW_READ_S = 1.0  # between two octets that a slow reader takes
CONFIG = """
[tcp]
connections = {connections}
idle = "5m"
[pool.v1]
endpoints = ["192.0.2.1", "192.0.2.2"]
[pool.v2]
endpoints = ["192.0.2.3"]
[steer."www.shop.example"]
pools = {{ v1 = 90, v2 = 10 }}
"""
GOOD_QUERIES = """www.shop.example A
www.shop.example AAAA
mail.shop.example A
shop.example MX
shop.example SOA
m.shop.example A
x.dev.shop.example A
nothing.shop.example A
shop.example TXT
_imaps._tcp.shop.example SRV
"""


def pin(cpu):
    """For a child before it starts. With one CPU there is nothing to divide."""
    if cpu in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {cpu})


class Dnsperf:
    """Good queries from dnsperf for so many seconds; `rate` 0 is as fast as it goes."""

    def __init__(self, sandbox, port, seconds, rate):
        path = sandbox.write("good.txt", GOOD_QUERIES)
        argv = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", path, "-l", str(seconds), "-c", "8", "-T", "1", "-q", "500", "-t", "2"]
        argv += ["-Q", str(rate)] if rate else []
        self.popen = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=lambda: pin(LOAD_CPU))

    def result(self):
        text = self.popen.communicate()[0]

        def number(pattern):
            found = re.search(pattern, text)
            if not found:
                raise harness.Failure(f"dnsperf said:\n{text}")
            return float(found[1])
        return {"sent": int(number(r"Queries sent:\s+(\d+)")), "answered": int(number(r"Queries completed:\s+(\d+)")),
                "rate": number(r"Queries per second:\s+([\d.]+)"), "latency_ms": 1000 * number(r"Average Latency \(s\):\s+([\d.]+)"),
                "latency_max_ms": 1000 * number(r"Average Latency.*max ([\d.]+)")}


class Sampler(threading.Thread):
    """The daemon's memory, descriptors and CPU time, once a second."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process = process
        self.over = threading.Event()
        self.resident, self.open, self.cpu = [], [], []

    def run(self):
        while not self.over.is_set() and self.process.alive():
            self.resident.append(resident_kib(self.process))
            self.open.append(descriptors(self.process))
            with open(f"/proc/{self.process.popen.pid}/stat", encoding="utf-8") as text:
                fields = text.read().rsplit(")", 1)[1].split()
            self.cpu.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
            self.over.wait(1)

    def finish(self):
        self.over.set()
        self.join()


def malformed_packets():
    """Good queries with octets changed, cut and added, and some that are noise from the first octet on."""
    chance = random.Random(4)
    seeds = [question(name, rdtype) for name in ("www.shop.example", "shop.example") for rdtype in ("A", "MX", "ANY")]
    seeds.append(question("www.shop.example", "A", ("192.0.2.0", 24)))
    packets = []
    while len(packets) < 4096:
        packet = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(packet))
            kind = chance.randrange(4)
            if kind == 0:
                packet[at] = chance.randrange(256)
            elif kind == 1 and len(packet) >= 12:
                packet[4 + chance.randrange(8)] = 0xFF  # a count in the header
            elif kind == 2:
                packet[at:at] = chance.randbytes(20)
            else:
                del packet[max(at, 1):]
        packets.append(bytes(packet) if chance.randrange(8) else chance.randbytes(chance.randrange(1, 1232)))
    return packets


def send_malformed(port, rate, counts):
    """At this rate, in bursts of a millisecond; nothing is waited for, replies are thrown away by the kernel."""
    packets = malformed_packets()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.connect(("127.0.0.1", port))
    started, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - started) * rate)
        for _ in range(due - sent):
            try:
                client.send(packets[sent % len(packets)])
            except OSError:
                pass
            sent += 1
        counts["malformed"] = sent
        time.sleep(0.001)


def open_connection(port, number):
    client = socket.socket()
    host = number // IDLE_PER_ADDRESS
    client.bind((f"127.1.{host // 250}.{host % 250 + 1}", 0))
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    return client


def hold_idle(port, count, counts):
    """Keeps `count` connections that have asked once and say nothing more; those that the server closes are opened again."""
    poller, clients = select.epoll(), {}
    free = list(range(count))
    while True:
        for _ in range(min(len(free), 50)):  # at most 500 a second
            number = free.pop()
            try:
                client = open_connection(port, number)
                client.sendall(framed(question("mail.shop.example", "A")))
                client.setblocking(False)
                clients[client.fileno()] = (client, number)
                poller.register(client.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
            except OSError:
                free.append(number)
        for descriptor, _ in poller.poll(0.1, 1000):
            client, number = clients[descriptor]
            try:
                ended = client.recv(4096) == b""
            except BlockingIOError:
                ended = False
            except OSError:
                ended = True
            if ended:
                poller.unregister(descriptor)
                client.close()
                del clients[descriptor]
                free.append(number)
                counts["closed"] += 1
        counts["idle"] = len(clients)


def ask_more(client, block):
    try:
        client.send(block)
    except BlockingIOError:
        pass


def take_an_octet(client):
    try:
        if client.recv(1) == b"":
            raise ConnectionError
    except BlockingIOError:
        pass


def read_slowly(port, count, counts):
    """Ask for more and more, and take an octet a second."""
    block = b"".join(framed(with_id(number, LONG)) for number in range(100))
    clients = [None] * count
    while True:
        for number in range(count):
            try:
                if clients[number] is None:
                    clients[number] = open_connection(port, 100_000 + number * IDLE_PER_ADDRESS)
                    clients[number].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    clients[number].setblocking(False)
                ask_more(clients[number], block)
                take_an_octet(clients[number])
            except OSError:  # the server has ended it
                if clients[number] is not None:
                    clients[number].close()
                    clients[number] = None
                counts["reopened"] += 1
        counts["slow"] = sum(client is not None for client in clients)
        time.sleep(SLOW_READ_S)


class Abuse:
    """The three kinds of it, in a process of their own on the load's CPU, which reports its counts when it is asked to end."""

    def __init__(self, port, rate, idle, slow):
        self.read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.run(port, rate, idle, slow, write_end)
            finally:
                traceback.print_exc()
                os._exit(1)  # whatever happened: the parent's work is not this process'
        os.close(write_end)

    @staticmethod
    def run(port, rate, idle, slow, write_end):
        pin(LOAD_CPU)
        counts = {"malformed": 0, "idle": 0, "closed": 0, "slow": 0, "reopened": 0}

        def end(*_):
            os.write(write_end, struct.pack("5Q", *counts.values()))
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        threading.Thread(target=hold_idle, args=(port, idle, counts), daemon=True).start()
        threading.Thread(target=read_slowly, args=(port, slow, counts), daemon=True).start()
        while counts["idle"] < idle * 95 // 100:
            time.sleep(0.05)
            if counts["closed"] > 2 * idle:  # the server has a lower limit than we
                break
        os.write(write_end, b"!")
        send_malformed(port, rate, counts)

    def wait_until_full(self):
        os.read(self.read_end, 1)

    def finish(self):
        os.kill(self.pid, signal.SIGTERM)
        text = os.read(self.read_end, 4096)
        os.waitpid(self.pid, 0)
        return dict(zip(("malformed", "idle", "closed", "slow", "reopened"), struct.unpack("5Q", text)))


def measure(sandbox, sluice, options, rate, abused):
    abuse = Abuse(sluice.port, rate, options.idle, options.slow) if abused else None
    if abuse:
        abuse.wait_until_full()
    sampler = Sampler(sluice.process)
    sampler.start()
    result = Dnsperf(sandbox, sluice.port, options.seconds, rate).result()
    sampler.finish()
    result.update(resident=sampler.resident, open=sampler.open, cpu=sampler.cpu[-1] - sampler.cpu[0], abuse=abuse.finish() if abuse else None)
    return result


def show(name, result, seconds):
    print(f"{name}:")
    print(f"  good queries  {result['sent']} sent, {result['answered']} answered ({result['sent'] - result['answered']} lost), "
          f"{result['rate']:.0f}/s, latency {result['latency_ms']:.3f} ms on average, {result['latency_max_ms']:.1f} ms at most")
    memory = result["resident"]
    print(f"  memory        {memory[0]} KiB at first, {max(memory)} at most, {memory[-1]} at last")
    print(f"  over time     {' '.join(str(value) for value in memory[::max(1, len(memory) // 12)])} KiB")
    print(f"  descriptors   {result['open'][0]} at first, {max(result['open'])} at most; CPU {100 * result['cpu'] / seconds:.0f} %")
    if result["abuse"]:
        counts = result["abuse"]
        print(f"  abuse         {counts['malformed']} malformed packets, {counts['idle']} idle connections at last ({counts['closed']} "
              f"closed by the server), {counts['slow']} slow readers ({counts['reopened']} replaced)")


def run(sandbox, options):
    sluice = harness.Sluice(sandbox, CONFIG.format(connections=options.idle + 2 * options.slow + 100), more_zone=LONG_TEXTS)
    with open(sluice.config_path, encoding="utf-8") as text:
        config = text.read()
    sandbox.write("sluice.toml", config.replace("workers = 2", "workers = 1"))
    sluice.start(preexec_fn=lambda: pin(SERVER_CPU))
    saturation = Dnsperf(sandbox, sluice.port, WARM_UP_S, 0).result()["rate"]
    rate = int(saturation / 3)
    print(f"one worker on CPU {SERVER_CPU}, load on CPU {LOAD_CPU}: {saturation:.0f} queries/s at most; offered from now on: {rate}/s good ones")
    before = measure(sandbox, sluice, options, rate, False)
    show(f"undisturbed, {options.seconds} s", before, options.seconds)
    during = measure(sandbox, sluice, options, rate, True)
    show(f"abused, {options.seconds} s", during, options.seconds)
    ratio = during["answered"] / before["answered"]
    growth = max(during["resident"]) - before["resident"][-1]
    alive = sluice.process.alive()
    print(f"of the sent, answered: {100 * before['answered'] / before['sent']:.2f} % undisturbed, "
          f"{100 * during['answered'] / during['sent']:.2f} % abused")
    print(f"answered when abused / undisturbed: {100 * ratio:.2f} %; memory grew by {growth} KiB; "
          f"{'the daemon lives' if alive else 'THE DAEMON HAS ENDED'}; exit code {sluice.process.terminate()}")
    return ratio >= RATIO_MIN and growth <= GROWTH_MAX_KIB and alive


def main():
    parser = argparse.ArgumentParser(prog="tests/abuse/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="of each of the two runs")
    parser.add_argument("--idle", type=int, default=10_000, help="TCP connections that say nothing")
    parser.add_argument("--slow", type=int, default=100, help="clients that ask for much and hardly read")
    parser.add_argument("--build", default=harness.Options.build, help="folder with sluiced and sluicectl")
    options = parser.parse_args()
    harness.Options.build = os.path.abspath(options.build)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sandbox = harness.Sandbox("abuse")
    try:
        return 0 if run(sandbox, options) else 1
    except harness.Failure as failure:
        print(f"{failure}\n{sandbox.logs()}")
        return 1
    finally:
        sandbox.close()


sys.exit(main())

"""What the measurements share: servers that run side by side, questions, and the generators of load.

Each server has CPU 0 for itself, what generates load has CPU 1.
"""

import json
import os
import random
import re
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import harness  # pylint: disable=wrong-import-position
import peers  # pylint: disable=wrong-import-position

SERVER_CPU, LOAD_CPU = 0, 1
CPUS = os.sched_getaffinity(0)  # that we may use
NAMES = 100_000
LARGE = 40  # A records of one name: about 690 octets
EDNS_SIZE = 1232
TYPES = {"A": 1, "MX": 15, "AAAA": 28}


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def pin(*cpus):
    """For a child before it starts."""
    os.sched_setaffinity(0, set(cpus) & CPUS or CPUS)


def generate_load():
    pin(LOAD_CPU)


def generate_on_time():
    """For a generator with a fixed rate: what else runs on its CPU must not make it late."""
    pin(LOAD_CPU)
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, -20)


def records():
    """Beside peers.HEAD."""
    lines = [f"many A 198.51.100.{number + 1}" for number in range(LARGE)]
    lines += [f"h{number:06} A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(NAMES)]
    return "\n".join(lines) + "\n"


def mixed():
    """Eight of ten names exist; of those one in eight is asked for what it does not have."""
    chance = random.Random(1)
    kinds = [("h", "A")] * 7 + [("h", "AAAA"), ("x", "A"), ("x", "AAAA")]
    for _ in range(2 * NAMES):
        letter, rdtype = chance.choice(kinds)
        yield f"{letter}{chance.randrange(NAMES):06}", rdtype


CASES = {
    "steered A": [("www", "A")],
    "dual-stack A": [("both", "A")],
    "plain A": [("host", "A")],
    "NXDOMAIN": [("nothing", "A")],
    "large answer": [("many", "A")],
    "100,000 names": list(mixed()),
}


def message(name, rdtype):
    """With EDNS, as resolvers ask; id 0."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + struct.pack("!2H", TYPES[rdtype], 1)
    return struct.pack("!6H", 0, 0, 1, 0, 0, 1) + question + b"\0" + struct.pack("!HHIH", 41, EDNS_SIZE, 0, 0)


def write_queries(sandbox, number, questions):
    """(for load, for dnsperf)"""
    wire = sandbox.path(f"{number}.queries")
    with open(wire, "wb") as out:
        for name, rdtype in questions:
            query = message(f"{name}.{peers.ZONE}", rdtype)
            out.write(struct.pack("!H", len(query)) + query)
    return wire, sandbox.write(f"{number}.txt", "".join(f"{name}.{peers.ZONE} {rdtype}\n" for name, rdtype in questions))


class Server:
    """One of peers.SERVERS, running; `options` are its own."""

    def __init__(self, sandbox, name, build, text, folder=None, cpus=(SERVER_CPU,), start=True, **options):
        self.name = name
        self.sandbox = sandbox
        self.cpus = cpus
        self.port = harness.free_port()
        self.folder = sandbox.path(folder or name)
        os.makedirs(self.folder, exist_ok=True)
        self.argv = peers.SERVERS[name](build, self.folder, self.port, text, **options)
        self.process = None
        if start:
            self.start()

    def start(self):
        self.process = self.sandbox.start(os.path.basename(self.folder), self.argv, cwd=self.folder, start_new_session=True,
                                          preexec_fn=lambda: pin(*self.cpus))

    def ask(self, label, rdtype):
        """(RCODE, number of answers); none of both when no reply comes."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.02)
            client.connect((peers.ADDRESS, self.port))
            try:
                client.send(message(f"{label}.{peers.ZONE}", rdtype))
                reply = client.recv(4096)
                return reply[3] & 15, int.from_bytes(reply[6:8], "big")
            except OSError:
                return None, None

    def await_answer(self, label="host"):
        def answered():
            harness.expect(self.process.alive(), f"{self.name} has ended:\n{self.process.log()[-3000:]}")
            return self.ask(label, "A") == (0, 1)
        harness.poll(f"{self.name} answers", answered, 60)

    def processes(self):
        """Of its session: some servers work in children."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="utf-8") as text:
                        if int(text.read().rsplit(")", 1)[1].split()[3]) == self.process.popen.pid:
                            found.append(entry)
                except OSError:
                    pass  # it has ended
        return found

    def cpu_us(self, threads=""):
        """What its threads whose name begins so have used until now, user and system."""
        total = 0
        for process in self.processes():
            for thread in os.listdir(f"/proc/{process}/task"):
                folder = f"/proc/{process}/task/{thread}"
                if read(f"{folder}/comm").startswith(threads):
                    total += int(read(f"{folder}/schedstat").split()[0])
        return total / 1000

    def resident_kib(self):
        total = 0
        for process in self.processes():
            with open(f"/proc/{process}/smaps_rollup", encoding="utf-8") as text:
                total += int(re.search(r"^Pss:\s+(\d+)", text.read(), re.MULTILINE)[1])
        return total


def run_load(build, port, queries, seconds, *arguments):
    argv = [os.path.join(build, "tests/bench/load"), str(port), queries, str(seconds), *map(str, arguments)]
    before = generate_on_time if "--rate" in arguments else generate_load
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, preexec_fn=before).stdout)


def run_dnsperf(port, queries, seconds, sockets):
    argv = ["dnsperf", "-s", peers.ADDRESS, "-p", str(port), "-d", queries, "-l", str(seconds), "-c", str(sockets), "-T", "1", "-q", "500", "-t", "1", "-e"]
    text = subprocess.run(argv, check=True, capture_output=True, text=True, preexec_fn=generate_load).stdout
    return {"answered": int(re.search(r"Queries completed:\s+(\d+)", text)[1]),
            "rate": float(re.search(r"Queries per second:\s+([\d.]+)", text)[1]), "lost": int(re.search(r"Queries lost:\s+(\d+)", text)[1])}


def measure(server, generate):
    """What the generator says, and `cpu_us` for each query."""
    before = server.cpu_us()
    result = generate()
    result["cpu_us"] = (server.cpu_us() - before) / max(result["answered"], 1)
    return result

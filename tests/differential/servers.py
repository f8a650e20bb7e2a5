"""Sluice, NSD and Knot on loopback, each with the same zones, in one temporary folder.

A zone file of ours says on its first line which zone it is, and may hold lines that only Sluice or only its peers get:

    ; zone wildcards.test.               the apex; at the very top
    ; world root                         served in a run of its own, with the other zones of that world (default: main)
    ; steer www 192.0.2.1 2001:db8::1    Sluice's config: a steered name with one pool of one endpoint a family, TTL 300
    ;peers www 300 A 192.0.2.1           a line that only the peers get
    x25 X25 "311"                        a line, and
    ;knot TYPE19 \\# 4 03333131           what Knot gets in its place; the same with ;nsd

NSD and Knot do not know $GENERATE, and get what it stands for.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

from message import Query, Reply, from_text

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from nsd import server_section  # noqa: E402
from harness import Failure, free_port, poll  # noqa: E402

ADDRESS = "127.0.0.1"
UDP_SIZE = 1232  # the largest reply over UDP, the same everywhere
READY_S = 20


class Zone:
    """One file of zones/."""

    def __init__(self, path):
        self.path = path
        self.title = os.path.basename(path).removesuffix(".zone")
        with open(path, encoding="utf-8") as text:
            self.lines = text.read().split("\n")
        if not self.lines[0].startswith("; zone "):
            raise Failure(f"{path}: the first line has to be `; zone NAME`")
        self.apex = self.lines[0].removeprefix("; zone ").strip()
        self.worlds = next((line.split()[2:] for line in self.lines if line.startswith("; world ")), ["main"])
        self.steers = [line.split()[2:] for line in self.lines if line.startswith("; steer ")]

    def absolute(self, label):
        return self.apex if label == "@" else f"{label}.{self.apex}"

    def peer_text(self, peer):
        kept = []
        for line in self.lines:
            if line.startswith(";peers "):
                kept.append(line.removeprefix(";peers "))
            elif line.startswith((";knot ", ";nsd ")):
                if line.startswith(f";{peer} "):
                    kept[-1] = line.removeprefix(f";{peer} ")
            elif line.startswith("$GENERATE "):
                kept += expand_generate(line)
            else:
                kept.append(line)
        return "\n".join(kept)


def expand_generate(line):
    _, span, *rest = line.split()
    first, last, step = re.fullmatch(r"(\d+)-(\d+)(?:/(\d+))?", span).groups()
    pattern = " ".join(rest)

    def expand(number):
        def one(match):
            if match[1] is None:
                return str(number)
            offset, width, base = (match[1].split(",") + ["0", "d"])[:3]
            return format(number + int(offset), f"0{int(width)}{base}" if int(width) else base)
        return re.sub(r"\$(?:\{([^}]*)\})?", one, pattern)
    return [expand(number) for number in range(int(first), int(last) + 1, int(step or 1))]


class Server:
    """One program, and a UDP and a TCP connection to it."""

    def __init__(self, name, folder, argv):
        self.name, self.folder, self.argv = name, folder, argv
        self.process = None
        self.udp = self.tcp = None
        self.resent = 0  # queries that had to be asked again

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)

    def connect(self, probe):
        """Returns when `probe` (a zone) is answered with authority."""
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.connect((ADDRESS, self.port))
        self.udp.settimeout(0.2)
        query = Query("", "", from_text(probe), 6, 1, 0, False, None)

        def answers():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
            try:
                self.udp.send(query.wire())
                return Reply(self.udp.recv(65535), query).flags["aa"]
            except OSError:
                time.sleep(0.02)
                return False
        try:
            poll(f"{self.name} answers for {probe}", answers, READY_S)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.log()}") from None

    def open_tcp(self):
        if self.tcp is None:
            self.tcp = socket.create_connection((ADDRESS, self.port), timeout=10)
            self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tcp

    def close_tcp(self):
        if self.tcp is not None:
            self.tcp.close()
            self.tcp = None

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as text:
            lines = text.read().splitlines()
        return "\n".join([line for line in lines if "error" in line.lower()][:20] or lines[-10:])

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def transfer(self, apex):
        """All records of a zone by AXFR, the closing SOA left out."""
        query = Query("", apex, from_text(apex), 252, 1, 0, True, None)
        records = []
        with socket.create_connection((ADDRESS, self.port), timeout=20) as connection, connection.makefile("rb") as stream:
            message = query.wire()
            connection.sendall(struct.pack("!H", len(message)) + message)
            while sum(1 for record in records if record[1] == 6) < 2:
                size = stream.read(2)
                if len(size) < 2:
                    raise Failure(f"{self.name}: transfer of {apex} ended early:\n{self.log()}")
                reply = Reply(stream.read(struct.unpack("!H", size)[0]), query)
                if reply.rcode != 0 or not reply.answer:
                    raise Failure(f"{self.name}: transfer of {apex}: rcode {reply.rcode}:\n{self.log()}")
                records += reply.answer
        return records[:-1]


def sluice(build, folder, zones):
    port = free_port()
    config = [f'[server]\nlisten = ["{ADDRESS}:{port}"]\nworkers = 1\nstate = "state"\n\n[admin]\nsocket = "admin.sock"\n']
    for zone in zones:
        config.append(f'[zone."{zone.apex}"]\nfile = "{zone.path}"\n')
        for label, *addresses in zone.steers:
            name = zone.absolute(label)
            quoted = ", ".join(f'"{address}"' for address in addresses)
            config.append(f'[pool."{pool_name(name)}"]\nendpoints = [{quoted}]\n')
            config.append(f'[steer."{name}"]\npools = {{ "{pool_name(name)}" = 1 }}\nttl = "300s"\nanswers = {min(len(addresses), 8)}\n')
    write(folder, "sluice.toml", "\n".join(config))
    server = Server("Sluice", folder, [os.path.join(build, "sluiced"), "--config", "sluice.toml"])
    server.port = port
    return server


def pool_name(name):
    return re.sub("[^a-z0-9]", "-", name.lower()).strip("-")


def nsd(folder, zones):
    """Minimal responses, as ours are; no limit to the rate; and CNAMEs are followed from zone to zone (the default)."""
    port = free_port()
    config = server_section(ADDRESS, port, folder, f"  ipv4-edns-size: {UDP_SIZE}\n  tcp-count: 20\n  refuse-any: no\n")
    for number, zone in enumerate(zones):
        write(folder, f"{number}.zone", zone.peer_text("nsd"))
        config += f'zone:\n  name: "{zone.apex}"\n  zonefile: "{number}.zone"\n  provide-xfr: {ADDRESS} NOKEY\n'
    link_includes(folder, zones)
    write(folder, "nsd.conf", config)
    server = Server("NSD", folder, ["/usr/sbin/nsd", "-d", "-c", f"{folder}/nsd.conf"])
    server.port = port
    return server


def knot(folder, zones):
    """Its answers are minimal by nature, and it follows CNAMEs inside a zone only, which cannot be changed."""
    port = free_port()
    config = f"""server:
  rundir: "{folder}"
  nsid: ""
  listen: {ADDRESS}@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  udp-max-payload: {UDP_SIZE}
  answer-rotation: off
  tcp-idle-timeout: 60
log:
  - target: stderr
    any: info
database:
  storage: "{folder}/db"
acl:
  - id: transfer
    address: {ADDRESS}
    action: transfer
template:
  - id: default
    storage: "{folder}"
    semantic-checks: off
    acl: transfer
    journal-content: none
    zonefile-sync: -1
zone:
"""
    for number, zone in enumerate(zones):
        write(folder, f"{number}.zone", zone.peer_text("knot"))
        config += f'  - domain: "{zone.apex}"\n    file: "{number}.zone"\n'
    link_includes(folder, zones)
    write(folder, "knot.conf", config)
    server = Server("Knot", folder, ["/usr/sbin/knotd", "-c", f"{folder}/knot.conf"])
    server.port = port
    return server


def link_includes(folder, zones):
    source = os.path.dirname(zones[0].path)
    for name in os.listdir(source):
        if name.endswith(".inc"):
            os.symlink(os.path.join(source, name), os.path.join(folder, name))


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
        out.write(text)

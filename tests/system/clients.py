"""Clients of a steered service: each asks for its name and connects anew for every request, and keeps no answer for longer than that."""

import collections
import random
import socket
import threading
import time

from queries import Asker

TIMEOUT_S = 2


class Clients:
    """`workers` of them, each with one of the servers or resolvers at `dns_ports`; they make `rate` requests a second together, or as
    many as they can. What is replied to a request for `path` is counted by its body, and a failure by the address."""

    def __init__(self, wire, dns_ports, port, workers=1, rate=None, path="/healthz"):  # pylint: disable=too-many-arguments
        self.wire, self.port = wire, port
        self.request = f"GET {path} HTTP/1.0\r\n\r\n".encode()
        self.pause_s = workers / rate if rate else 0
        self.replies = collections.Counter()  # body -> how many
        self.failed = collections.Counter()  # address -> how many
        self.failures = []  # as text
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.workers = [threading.Thread(target=self.run, args=(dns_ports[number % len(dns_ports)],), daemon=True) for number in range(workers)]
        for worker in self.workers:
            worker.start()

    @property
    def requests(self):
        with self.lock:
            return sum(self.replies.values()) + len(self.failures)

    def counts(self):
        """Copies of `replies` and `failed`, of one moment."""
        with self.lock:
            return self.replies.copy(), self.failed.copy()

    def run(self, dns_port):
        with Asker(dns_port) as asker:
            due = time.monotonic() + random.uniform(0, self.pause_s)
            while not self.ended.wait(max(0.0, due - time.monotonic())):
                due = max(due + self.pause_s, time.monotonic() - self.pause_s)  # who is late does not catch up
                self.make_request(asker)

    def make_request(self, asker):
        address = "the resolver"
        try:
            address = asker.addresses(self.wire)[0]
            body = self.fetch(address)
        except (OSError, IndexError) as failure:
            with self.lock:
                self.failed[address] += 1
                self.failures.append(f"{time.strftime('%H:%M:%S')} {address}: {failure!r}")
            return
        with self.lock:
            self.replies[body] += 1

    def fetch(self, address):
        with socket.create_connection((address, self.port), timeout=TIMEOUT_S) as connection:
            connection.sendall(self.request)
            reply = b""
            while chunk := connection.recv(4096):
                reply += chunk
        head, _, body = reply.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise OSError(head.partition(b"\r\n")[0].decode(errors="replace") or "no reply")
        return body.decode().strip()

    def end(self):
        self.ended.set()
        for worker in self.workers:
            worker.join()

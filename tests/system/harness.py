"""What the system tests share: a register of tests, a sandbox for each one, and the programs that run in it.

    @test
    def answers_the_apex(sandbox):
        sluice = Sluice(sandbox, CONFIG)
        sluice.start()
        expect_equal("rcode", ask(sluice.port, "shop.example", "SOA").rcode(), 0)

A test fails by an exception; the logs of its programs are shown then. Nothing here waits for a fixed time: `poll` asks for
a condition until a deadline.
"""

import functools
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

REPO = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DEADLINE_S = 20.0  # for what takes milliseconds on an idle machine

TESTS = {}  # name -> function, in the order of definition


class Failure(Exception):
    """What was expected and what came instead."""


class Skip(Exception):
    """Why this machine cannot run the test."""


class Options:
    """Of the whole run; set by main.py."""

    build = os.path.join(REPO, "build-test")
    kills = 20


def test(function):
    TESTS[function.__name__] = function
    return function


def expect(condition, message):
    if not condition:
        raise Failure(message)


def expect_equal(what, got, wanted):
    expect(got == wanted, f"{what}: expected {wanted!r}, got {got!r}")


def poll(what, condition, seconds=DEADLINE_S):
    """The first true value of `condition()`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.005)


class Ports:
    """Numbers below those that the kernel gives to outgoing connections, which nobody else of us takes: tests that run at the
    same time have ranges of their own, each claimed by a socket that is gone with its process."""

    first, end, size = 10_000, 30_000, 500

    def __init__(self):
        self.claim = socket.socket(socket.AF_UNIX)
        for first in range(self.first, self.end, self.size):
            try:
                self.claim.bind(f"\0sluice-test-ports-{first}")
            except OSError:
                continue
            self.numbers = itertools.cycle(range(first, first + self.size))
            return
        raise Failure("no free range of ports")


@functools.cache
def ports_of(process):  # a worker is forked, and has to claim its own
    return Ports()


def free_port(addresses=("127.0.0.1",)):
    """A port that is free for TCP and UDP on all of `addresses`."""
    for port in itertools.islice(ports_of(os.getpid()).numbers, Ports.size):
        if all(is_free(address, port) for address in addresses):
            return port
    raise Failure("no free port found")


def is_free(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as probe:
                probe.bind((address, port))
        except OSError:
            return False
    return True


class Process:
    """A program with its log in the sandbox. Ended by its process id."""

    def __init__(self, name, argv, log, **popen):
        self.name = name
        self.log_path = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **popen)

    def alive(self):
        return self.popen.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as text:
            return text.read()

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        if self.alive():
            self.popen.kill()
        return self.popen.wait()

    def terminate(self, seconds=DEADLINE_S):
        """The exit code after SIGTERM."""
        if self.alive():
            self.popen.terminate()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise Failure(f"{self.name} did not end within {seconds} s of SIGTERM") from None


class Sandbox:
    """A temporary folder and the processes of one test."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix=f"sluice-{name}.")
        self.processes = []
        self.notes = []

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def start(self, name, argv, **popen):
        process = Process(name, argv, self.path(f"{name}.log"), **popen)
        self.processes.append(process)
        return process

    def note(self, text):
        """A figure to show beside the result."""
        self.notes.append(text)

    def logs(self, lines=30):
        """The ends of all logs, each once."""
        paths = dict.fromkeys(process.log_path for process in self.processes)
        shown = []
        for path in paths:
            with open(path, encoding="utf-8", errors="replace") as text:
                shown += [f"--- {os.path.basename(path)}"] + text.read().splitlines()[-lines:]
        return "\n".join(shown)

    def close(self):
        for process in reversed(self.processes):
            if process.alive():
                process.popen.terminate()
        for process in reversed(self.processes):
            try:
                process.popen.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(argv, seconds=60):
    return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL)


def make_certificate(sandbox, name, host):
    """Self-signed for the host, a name or an IPv4 address, in the sandbox as NAME.pem and NAME.key."""
    kind = "IP" if host.replace(".", "").isdigit() else "DNS"
    result = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                  "-keyout", sandbox.path(f"{name}.key"), "-out", sandbox.path(f"{name}.pem"), "-subj", f"/CN={host}",
                  "-addext", f"subjectAltName={kind}:{host}"])
    expect_equal(f"exit code of openssl\n{result.stderr}", result.returncode, 0)


def web_check(port):
    """Of a config: the check `web`, which sees in some 500 ms that a web server comes or goes."""
    return f"""
[check.web]
type = "http"
path = "/healthz"
port = {port}
interval = "200ms"
timeout = "150ms"
rise = 2
fall = 2
hold_down = "0s"
"""


def steering(name, pools, ttl, check=None):
    """Of a config: pools, as {pool: (weight, addresses)}, and the name that they serve."""
    check_line = f'check = "{check}"\n' if check else ""
    text = "".join(f"[pool.{pool}]\n{check_line}endpoints = {json.dumps(list(addresses))}\n" for pool, (_, addresses) in pools.items())
    weights = ", ".join(f"{pool} = {weight}" for pool, (weight, _) in pools.items())
    return f'{text}[steer."{name}"]\npools = {{ {weights} }}\nttl = "{ttl}"\n'


def read_example_zone():
    with open(os.path.join(REPO, "zones", "shop.example.zone"), encoding="utf-8") as text:
        return text.read()


class Sluice:
    """sluiced with a config in the sandbox, and sluicectl that talks to it.

    `config` is what follows [server], [admin] and [zone."shop.example"]; `server` and `admin` are further lines of the first two. The
    zone is the example's, with `more_zone` after it.
    """

    def __init__(self, sandbox, config="", more_zone="", state="state", server="", admin=""):
        self.sandbox = sandbox
        self.port = free_port()
        self.state = state
        self.more_server = server
        self.more_admin = admin
        self.process = None
        self.config_path = sandbox.path("sluice.toml")
        self.socket_path = sandbox.path("admin.sock")
        sandbox.write("shop.example.zone", read_example_zone() + more_zone)
        self.write_config(config)

    def write_config(self, config):
        self.sandbox.write("sluice.toml", f"""[server]
listen = ["127.0.0.1:{self.port}"]
workers = 2
state = "{self.state}"
{self.more_server}

[admin]
socket = "admin.sock"
{self.more_admin}

[zone."shop.example"]
file = "shop.example.zone"

{config}""")

    def start(self, **popen):
        """Returns when it has said that it is ready."""
        before = self.times_ready()
        self.launch(**popen)
        poll("`ready` of sluiced", lambda: self.times_ready() > before or not self.process.alive())
        expect(self.process.alive(), f"sluiced ended with {self.process.popen.poll()} instead of becoming ready")

    def launch(self, **popen):
        """Returns at once."""
        self.process = self.sandbox.start("sluiced", [self.program("sluiced"), "--config", self.config_path], **popen)

    def times_ready(self):
        return 0 if self.process is None else len(re.findall(r"^ready\b", self.process.log(), re.MULTILINE))

    @staticmethod
    def program(name):
        return os.path.join(Options.build, name)

    def run_ctl(self, *arguments):
        return run([self.program("sluicectl"), "--socket", self.socket_path, *arguments])

    def ctl(self, *arguments):
        """The output of a command that has to succeed."""
        result = self.run_ctl(*arguments)
        expect(result.returncode == 0,
               f"sluicectl {' '.join(arguments)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def status(self):
        return json.loads(self.ctl("--json", "status"))

    def weights(self, name):
        steer = next(steer for steer in self.status()["steers"] if steer["name"] == f"{name}.")
        return {pool["pool"]: pool["weight"] for pool in steer["pools"]}

    def endpoint(self, address):
        """How status shows the endpoint in the first pool that has it."""
        for pool in self.status()["pools"]:
            for endpoint in pool["endpoints"]:
                if endpoint["address"] == address:
                    return endpoint
        raise Failure(f"status does not show {address}")

    def events(self):
        """The newest ones, oldest first."""
        return json.loads(self.ctl("--json", "events", "--limit", "200"))["events"]

    def api(self):
        return Api(self.socket_path)


class Api(http.client.HTTPConnection):
    """The API without sluicectl, for many changes in little time. One connection, kept open."""

    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        """(HTTP status, JSON value)"""
        text = None if body is None else json.dumps(body)
        self.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        response = self.getresponse()
        return response.status, json.loads(response.read())

    def set_weights(self, name, weights):
        return self.call("PUT", f"/v1/steer/{name}/weights", {"weights": weights})


class Nginx:
    """A web server at one address: one process, so that killing it ends it at once. /healthz says 200, / what write_page() wrote. With
    `tls` it speaks HTTPS by the certificate TLS.pem and its key TLS.key; `http` and `server` are further lines of these sections."""

    def __init__(self, sandbox, address, port, tls=None, http="", server=""):  # pylint: disable=too-many-arguments
        self.sandbox = sandbox
        self.address = address
        self.port = port
        self.process = None
        home = f"nginx-{address}"
        self.home = sandbox.path(home)
        sandbox.write(f"{home}/nginx.conf", f"""daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  {http}
  server {{
    listen {address}:{port}{f" ssl; ssl_certificate {tls}.pem; ssl_certificate_key {tls}.key" if tls else ""};
    {server}
    location = /healthz {{ return 200 "ok\\n"; }}
    location / {{ root {self.home}; try_files /page =404; }}
  }}
}}
""")

    def write_page(self, text):
        self.sandbox.write(f"{os.path.basename(self.home)}/page", text)

    def start(self):
        """Returns a time at which it did not answer yet, as late as can be told."""
        self.process = self.sandbox.start(
            f"nginx-{self.address}", ["/usr/sbin/nginx", "-p", self.home + "/", "-c", "nginx.conf", "-e", "stderr"])
        silent = time.monotonic()
        while True:
            before = time.monotonic()
            if self.accepts():
                return silent
            silent = before
            expect(self.process.alive(), f"nginx at {self.address}:{self.port} ended")
            time.sleep(0.001)

    def accepts(self):
        try:
            with socket.create_connection((self.address, self.port), timeout=1):
                return True
        except OSError:
            return False

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.popen.wait()

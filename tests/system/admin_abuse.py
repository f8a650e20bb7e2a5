"""The admin API: who may call what, and clients that send too much, too slowly or in odd ways."""

import concurrent.futures
import json
import random
import socket

from harness import Api, Sluice, expect, expect_equal, free_port, poll, run, test
from abuse import expect_udp, resident_kib

VALUES = {"name": "www.shop.example", "address": "127.0.1.1", "weights": {"v1": 3}, "for": "10m", "reason": "a test",
          "after": 0, "limit": 5, "wait": "1ms", "check": "reported", "state": "up", "text": "a test", "to": "v3", "pool": "v3", "class": "testers",
          "min-available": "0"}
DEPENDS = ("/bluegreen", "/undo")  # on a rollout that another call has started
CONFIG = """
[check.reported]
type = "push"
interval = "1h"
[check.port]
type = "tcp"
port = 1
[pool.v1]
check = "reported"
endpoints = ["127.0.1.1"]
[pool.v2]
check = "port"
endpoints = ["127.0.1.1"]
[pool.v3]
endpoints = ["127.0.3.1"]
[class.testers]
prefixes = ["10.0.0.0/8"]
[steer."www.shop.example"]
pools = { v1 = 1, v3 = 0 }
"""
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]


class Tcp(Api):
    """The listener that nobody has to log in to."""

    def __init__(self, port):
        super().__init__(None)
        self.tcp_port = port

    def connect(self):
        self.sock = socket.create_connection(("127.0.0.1", self.tcp_port), timeout=self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def start(sandbox):
    port = free_port()
    sluice = Sluice(sandbox, CONFIG, admin=f'http = "127.0.0.1:{port}"')
    sluice.start()
    return sluice, port


def ask(api, method, path, body=None, headers=None):
    """(status, text)"""
    text = None if body is None else json.dumps(body)
    api.request(method, path, text, {"Content-Type": "application/json", **(headers or {})} if text else headers or {})
    response = api.getresponse()
    return response.status, response.read().decode()


def operations(api):
    """(method, path with values, body or None, whether it changes something) of each call that the API describes."""
    status, text = ask(api, "GET", "/v1/openapi.json")
    expect_equal("status of the description", status, 200)
    for path, methods in json.loads(text)["paths"].items():
        for method, operation in methods.items():
            filled = path
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and parameter.get("required"):
                    filled += f"?{parameter['name']}={VALUES[parameter['name']]}"
                if parameter["in"] == "path":
                    filled = filled.replace("{" + parameter["name"] + "}", VALUES[parameter["name"]])
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            body = {name: VALUES[name] for name in schema.get("properties", {}) if name in VALUES}
            if path.endswith("/run"):
                body.pop("check", None)  # all of its checks
            missing = set(schema.get("required", [])) - set(body)
            expect(not missing, f"{method} {path}: this test has no value for {missing}")
            yield method.upper(), filled, body if schema else None, method.upper() != "GET"


def truth(sluice):
    """What a change would have changed."""
    status = sluice.status()
    words = [endpoint["word"] for pool in status["pools"] for endpoint in pool["endpoints"]]
    events = json.loads(sluice.ctl("--json", "events"))["events"]
    return sluice.weights("www.shop.example"), words, len(events)


@test
def each_call_by_each_role(sandbox):
    """Over TCP everything reads and nothing changes, in whatever disguise it comes; the socket's owner may do all."""
    sluice, port = start(sandbox)
    calls = list(operations(Tcp(port)))
    expect(sum(changes for *_, changes in calls) >= 8, f"the description is not complete: {calls}")
    before = truth(sluice)
    for method, path, body, changes in calls:
        status, text = ask(Tcp(port), method, path, body)
        # A report may come over TCP, from who knows its check's token.
        refusal = 401 if "/report/" in path else 403
        expect_equal(f"status of {method} {path} over TCP: {text[:200]}", status, refusal if changes else 200)
        if changes:
            expect_refused_in_disguise(port, method, path, body)
    for method in METHODS:
        for path in sorted({path for _, path, _, _ in calls}) + ["/", "/v1", "/v1/", "/v1/nothing", "/metrics/x"]:
            status, text = ask(Tcp(port), method, path, {"weights": {"v1": 9}} if method in ("PUT", "POST", "PATCH") else None)
            readable = any((method, path) in (("GET", p), ("HEAD", p)) for m, p, _, _ in calls if m == "GET")
            expect((status == 200) == readable, f"{method} {path} over TCP has status {status}: {text[:200]}")
    expect_equal("weights, words and the number of events", truth(sluice), before)
    for method, path, body, changes in calls:
        status, text = ask(sluice.api(), method, path, body)
        expect(status == 200 or status == 409 and path.endswith(DEPENDS),
               f"{method} {path} over the Unix socket has status {status}: {text[:200]}")
    expect(truth(sluice)[2] > before[2], "the calls over the Unix socket have changed nothing")
    sandbox.note(f"{len(calls)} calls of the API, by both roles")


def expect_refused_in_disguise(port, method, path, body):
    disguises = [
        (method, path + "?dry_run=true", body, None), (method, path + "?x=/v1/status", body, None),
        (method, path.replace("/v1/", "/%76%31/"), body, None), (method, path.replace("/v1/", "//v1/"), body, None),
        (method, path.replace("/v1/", "/v1/status/../"), body, None), (method, path + "/", body, None),
        (method, path + "#/v1/status", body, None), (method, f"http://localhost{path}", body, None),
        (method.lower(), path, body, None), (method, path, body, {"Host": "localhost", "X-Forwarded-For": "127.0.0.1"}),
        ("GET", path, body, {"X-HTTP-Method-Override": method}), ("POST", path, body, {"X-HTTP-Method-Override": method}),
        ("GET", f"/v1/status?_method={method}", body, None),
    ]
    for other_method, other_path, other_body, headers in disguises:
        if (other_method, other_path) == (method, path) and headers is None:
            continue
        status, text = ask(Tcp(port), other_method, other_path, other_body, headers)
        expect(400 <= status < 500, f"{other_method} {other_path} {headers} over TCP has status {status}: {text[:200]}")


@test
def replies_on_a_kept_connection_are_those_of_fresh_ones(sandbox):
    """Whatever came before on it: errors, bodies, HEAD (BIND 2022-2881)."""
    sluice, port = start(sandbox)
    requests = [("GET", "/v1/openapi.json", None), ("HEAD", "/v1/openapi.json", None), ("GET", "/v1/nothing", None),
                ("GET", "/v1/version", None), ("HEAD", "/v1/version", None), ("POST", "/v1/version", {}),
                ("PUT", "/v1/steer/www.shop.example/weights", {"weights": {"v1": "x"}}),
                ("PUT", "/v1/steer/no.such.name/weights", {"weights": {"v1": 1}}),
                ("PUT", "/v1/steer/www.shop.example/weights", {"weights": {"v1": 1}, "pad": "x" * 100_000}),
                ("GET", "/v1/status?name=", None), ("DELETE", "/v1/endpoint/192.0.2.99/drain", None)]
    for fresh in (lambda: Tcp(port), sluice.api):
        expected = {request: ask(fresh(), *request) for request in map(freeze, requests)}
        chance = random.Random(2881)
        kept = fresh()
        before = resident_kib(sluice.process)
        for _ in range(1000):
            request = freeze(chance.choice(requests))
            expect_equal(f"reply to {request[:2]}", ask(kept, *request), expected[request])
        grown = resident_kib(sluice.process) - before
        expect(grown < 4096, f"the daemon has grown by {grown} KiB")


class Frozen(dict):
    """A body that can be a part of a key."""

    def __hash__(self):
        return hash(json.dumps(self))


def freeze(request):
    method, path, body = request
    return method, path, None if body is None else Frozen(body)


def send_endlessly(address, beginning, block, limit):
    """What came back before the server ended the connection, which it has to do while we do not; we fall silent after
    `limit` octets."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(20)
        client.connect(address)
        reply = b""
        try:
            client.sendall(beginning)
            for _ in range(0, limit, len(block)):
                client.sendall(block)
        except OSError:
            pass
        try:
            while more := client.recv(65536):
                reply += more
        except ConnectionError:  # it had not read all that we sent
            pass
        return reply


POST = "POST /v1/reload HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
# (what, the beginning, what follows without end, statuses that are fine)
ENDLESS = [
    ("a method", "", "G", (400, 431)), ("a target", "GET /", "a", (414, 431, 400)), ("a header's name", POST, "x", (400, 431)),
    ("a header's value", POST + "X: ", "x", (431,)), ("headers", POST, "X-Header: value\r\n", (431,)),
    ("a body of a huge length", POST + "Content-Length: 18446744073709551615\r\n\r\n", " ", (413,)),
    ("a body of a length beyond all numbers", POST + "Content-Length: 99999999999999999999999\r\n\r\n", " ", (400,)),
    ("a body of a modest lie", POST + "Content-Length: 1048577\r\n\r\n", " ", (413,)),
    ("a huge chunk", CHUNKED + "ffffffffffffffff\r\n", " ", (400, 413)), ("a chunk of a huge size", CHUNKED, "f", (400, 413, 431)),
    ("small chunks", CHUNKED, "1\r\n \r\n", (413,)), ("a chunk's extension", CHUNKED + "1;x=", "y", (400, 413, 431)),
    ("trailers", CHUNKED + "1\r\n \r\n0\r\n", "X-Trailer: value\r\n", (400, 413, 431)), ("empty lines", "", "\r\n", (400, 431)),
    ("brackets", POST + "Content-Length: 500000\r\n\r\n", "[", (400, 403)),
    ("objects", POST + "Content-Length: 500000\r\n\r\n", '{"a":', (400, 403)),
    ("large objects", POST + "Content-Length: 1000000\r\n\r\n", '{"a":', (413,)),
]


def expect_cut_off(address, what, beginning, endless, statuses):
    block = (endless * (65536 // len(endless))).encode()
    limit = 500_000 if "Content-Length: 500000\r" in beginning else 4 << 20
    reply = send_endlessly(address, beginning.encode(), block, limit)
    if reply:  # a reset may have overtaken it
        status = int(reply.split()[1])
        expect(status in statuses, f"endless {what}: status {status}, expected one of {statuses}")


@test
def endless_requests_are_cut_off(sandbox):
    sluice, port = start(sandbox)
    before = resident_kib(sluice.process)
    cases = [(address, *case) for case in ENDLESS for address in (("127.0.0.1", port), sluice.socket_path)]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:  # most are waited for, a second or ten
        for future in [pool.submit(expect_cut_off, *case) for case in cases]:
            future.result()
    expect_equal("status of the next request", ask(Tcp(port), "GET", "/v1/version")[0], 200)
    grown = resident_kib(sluice.process) - before
    expect(grown < 16 * 1024, f"the daemon has grown by {grown} KiB")
    expect_udp(sluice)
    sandbox.note(f"{len(cases)} endless requests: {grown} KiB more memory")


@test
def slow_senders_do_not_lock_the_operator_out(sandbox):
    sluice, port = start(sandbox)
    slow = []
    try:
        for number in range(200):
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            client.sendall((POST + "Content-Length: 1000\r\n\r\n")[:40 + number % 10].encode())
            slow.append(client)
        expect_equal("weights", sluice.weights("www.shop.example"), {"v1": 1, "v3": 0})  # by the Unix socket
        expect_udp(sluice)

        def trickle():
            for client in slow:
                try:
                    client.send(b"x")
                except OSError:
                    pass
            try:
                return ask(Tcp(port), "GET", "/v1/version")[0] == 200
            except OSError:
                return False
        poll("a place on the TCP listener, although the slow ones keep sending", trickle, 60)
    finally:
        for client in slow:
            client.close()


@test
def nested_brackets_end_nothing(sandbox):
    """100,000 of them in JSON and in TOML (BIND 2023-3341)."""
    sluice, port = start(sandbox)
    deep = "[" * 100_000
    for api in (Tcp(port), sluice.api()):
        for text in (deep, deep + "]" * 100_000, '{"":' * 100_000, '{"weights":' + deep + "}"):
            api.request("POST", "/v1/reload", text, {"Content-Type": "application/json"})
            response = api.getresponse()
            expect(response.status in (400, 403), f"status {response.status}")
            response.read()
    for text in ("a = " + deep, "a = " + deep + "]" * 100_000, "a = " + "{a=" * 100_000, "[" + "a." * 100_000 + "a]",
                 "a." * 100_000 + "a = 1", "[[" + deep):
        sandbox.write("deep.toml", text)
        result = run([sluice.program("sluiced"), "--check", sandbox.path("deep.toml")])
        expect_equal("exit code of --check", result.returncode, 1)
        expect(": error: " in result.stderr, f"no error: {result.stderr[:200]}")
    expect_udp(sluice)

"""Receivers of events: told all that happens, in order, by the real daemon, whatever they and it go through."""

import hashlib
import hmac
import http.server
import json
import ssl
import threading

from harness import Sluice, expect, expect_equal, free_port, make_certificate, poll, steering, test

NAME = "www.shop.example"
POOLS = {"v1": (1, ["127.0.1.1"]), "v2": (1, ["127.0.2.1"])}
CONFIG = steering(NAME, POOLS, "30s")


def notify(port, events="weight.*", more="", scheme="http", config=CONFIG):
    return f"""{config}
[notify.ops]
url = "{scheme}://127.0.0.1:{port}/ops"
events = ["{events}"]
retry_max = "50ms"
{more}
"""


class Receiver:
    """A server that takes notes. `mode` says how it answers: a status, or "hang". It can be down, and come back at its port."""

    def __init__(self, port=None, tls=None, mode=200):
        self.port = port or free_port()
        self.tls, self.mode = tls, mode
        self.taken = []  # bodies that were answered with 200
        self.requests = []  # (path, headers, octets) of all
        self.refused = threading.Event()
        self.let_go = threading.Event()  # those that hang
        self.server = None

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                receiver.answer(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):  # a client that does not trust us, or is gone
                pass
        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{self.tls}.pem", f"{self.tls}.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def answer(self, request):
        octets = request.rfile.read(int(request.headers["Content-Length"]))
        self.requests.append((request.path, dict(request.headers), octets))
        mode = self.mode
        if mode == "hang":
            self.refused.set()
            self.let_go.wait()
            return
        if mode == 200:
            self.taken.append(json.loads(octets))
        else:
            self.refused.set()
        request.send_response(mode)
        if mode == 302:
            request.send_header("Location", f"http://127.0.0.1:{self.port}/elsewhere")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def refuse(self, mode):
        """Returns when somebody was answered so."""
        self.refused.clear()
        self.mode = mode
        poll(f"a request that is answered with {mode}", self.refused.is_set)

    def stop(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()

    def told(self):
        """The events that it was told, each once, in the order of their first coming."""
        return list({event["id"]: event for event in list(self.taken)}.values())


class Changes(threading.Thread):
    """Sets weights, again and again."""

    def __init__(self, sluice):
        super().__init__(daemon=True)
        self.sluice, self.ended = sluice, threading.Event()
        self.start()

    def run(self):
        weight = 1
        while not self.ended.is_set():
            weight += 1
            self.sluice.run_ctl("weight", "set", NAME, f"v2={weight}")  # refused while the daemon is away

    def end(self):
        self.ended.set()
        self.join()


def ids_of(sluice, kind):
    events = json.loads(sluice.ctl("--json", "events", "--limit", "100000"))["events"]
    return [event["id"] for event in events if event["kind"].startswith(kind)]


def await_all(sluice, receiver, kind="weight."):
    """All that is to be told was told, and in order."""
    wanted = ids_of(sluice, kind)
    poll("the last event", lambda: receiver.told() and receiver.told()[-1]["id"] >= wanted[-1])
    expect_equal("events that were told", [event["id"] for event in receiver.told()], wanted)
    return wanted


def metric(sluice, name):
    return int(next(line.split()[-1] for line in sluice.ctl("metrics").splitlines() if line.startswith(f'{name}{{receiver="ops"}}')))


@test
def a_receiver_is_told_all_in_order_whatever_it_answers(sandbox):
    receiver = Receiver().start()
    sluice = Sluice(sandbox, notify(receiver.port, more='timeout = "300ms"'))
    sluice.start()
    changes = Changes(sluice)
    for mode in (500, "hang", 302, 404):
        receiver.refuse(mode)
        receiver.mode = 200
        count = len(receiver.taken)
        poll(f"more events after {mode}", lambda before=count: len(receiver.taken) > before)
    receiver.stop()  # and it is down for a while
    failed = metric(sluice, "sluice_notify_failed_total")
    poll("attempts while it is down", lambda: metric(sluice, "sluice_notify_failed_total") > failed + 3)
    poll("an event about it", lambda: ids_of(sluice, "receiver.failing"))
    expect("receiver ops could not be told" in sluice.ctl("status"), "status does not warn")
    receiver.mode = 200
    receiver.start()
    changes.end()
    wanted = await_all(sluice, receiver)
    poll("an event about its recovery", lambda: ids_of(sluice, "receiver.well"))
    poll("an empty queue", lambda: metric(sluice, "sluice_notify_queue") == 0)
    expect_equal("sent", metric(sluice, "sluice_notify_sent_total"), len(wanted))
    expect_equal("dropped", metric(sluice, "sluice_notify_dropped_total"), 0)
    expect(all(path == "/ops" for path, _, _ in receiver.requests), "a redirection was followed")
    expect_equal("what it is told", {key: receiver.told()[0][key] for key in ("what", "name", "from", "to")},
                 {"what": "weight.set", "name": f"{NAME}.", "from": {"v1": 1, "v2": 1}, "to": {"v1": 1, "v2": 2}})
    receiver.stop()
    sandbox.note(f"{len(wanted)} events by {len(receiver.requests)} requests")


@test
def a_receiver_misses_nothing_over_kill_9(sandbox):
    receiver = Receiver().start()
    sluice = Sluice(sandbox, notify(receiver.port, more="queue = 10000"))  # on a slow machine the changes are many
    sluice.start()
    changes = Changes(sluice)
    for mode, requests in ((200, 20), (500, 2), (200, 20), ("hang", 1), (200, 20)):
        receiver.mode = mode
        count = len(receiver.requests) + requests
        poll("requests", lambda wanted=count: len(receiver.requests) >= wanted)
        sluice.process.kill()
        sluice.start()
    receiver.mode = 200
    changes.end()
    sluice.process.terminate()
    sluice.start()
    wanted = await_all(sluice, receiver)
    again = len(receiver.taken) - len(wanted)
    for event in receiver.taken:
        expect(event == next(first for first in receiver.told() if first["id"] == event["id"]), f"told otherwise: {event}")
    receiver.stop()
    sandbox.note(f"{len(wanted)} events over 5 kills, {again} of them twice")


@test
def the_oldest_events_are_dropped_and_a_reload_keeps_the_others(sandbox):
    sluice = Sluice(sandbox, notify(free_port(), more="queue = 5"))
    sluice.start()
    for weight in range(2, 22):
        sluice.ctl("weight", "set", NAME, f"v2={weight}")
    poll("an event about it", lambda: ids_of(sluice, "receiver.dropped"))
    poll("what is dropped", lambda: metric(sluice, "sluice_notify_dropped_total") == 15)
    receiver = Receiver().start()
    sluice.write_config(notify(receiver.port, more="queue = 5"))
    sluice.ctl("reload")
    poll("the last event", lambda: len(receiver.told()) >= 5)
    told = receiver.told()
    expect_equal("weights that were told", told[-1]["to"]["v2"], 21)
    # One may have been on its way when the queue was full: it is an older one then.
    expect_equal("ids that were told", [event["id"] for event in told][-4:], ids_of(sluice, "weight.")[-4:])
    expect_equal("how many were told", len(told), 5)
    expect_equal("events about it", len(ids_of(sluice, "receiver.dropped")), 1)
    sluice.write_config(CONFIG)
    sluice.ctl("reload")
    sluice.ctl("weight", "set", NAME, "v2=99")
    sluice.write_config(notify(receiver.port))
    sluice.ctl("reload")
    sluice.ctl("weight", "set", NAME, "v2=100")
    poll("what is new", lambda: receiver.told()[-1]["to"]["v2"] == 100)
    expect_equal("how many were told", len(receiver.told()), 6)
    receiver.stop()


@test
def a_receiver_over_tls_is_verified_and_told_with_a_signature(sandbox):
    make_certificate(sandbox, "receiver", "127.0.0.1")
    make_certificate(sandbox, "other", "127.0.0.1")
    receiver = Receiver(tls=sandbox.path("receiver")).start()

    def config(authority):
        return notify(receiver.port, scheme="https", more=f'ca = "{authority}.pem"\nsecret = "hush"')
    sluice = Sluice(sandbox, config("other"))
    sluice.start()
    sluice.ctl("weight", "set", NAME, "v2=7")
    poll("a refusal", lambda: "not one that is trusted" in sluice.ctl("status"))
    expect_equal("requests that an untrusted receiver saw", receiver.requests, [])
    sluice.write_config(config("receiver"))
    sluice.ctl("reload")
    await_all(sluice, receiver)
    _, headers, octets = receiver.requests[0]
    expect_equal("signature", headers["Sluice-Signature"], "sha256=" + hmac.new(b"hush", octets, hashlib.sha256).hexdigest())
    expect("hush" not in sluice.ctl("--json", "events", "--limit", "200") + sluice.process.log(), "the secret is shown")
    receiver.stop()


@test
def a_receiver_follows_a_canary_step_by_step(sandbox):
    receiver = Receiver().start()
    sluice = Sluice(sandbox, notify(receiver.port, events="rollout.*", config=steering(NAME, POOLS | {"v2": (0, ["127.0.2.1"])}, "1s")))
    sluice.start()
    sluice.ctl("canary", "start", NAME, "--to", "v2", "--steps", "50,100", "--hold", "0s", "--ttl", "1s", "--gates")
    poll("the gate", lambda: any(event["what"] == "rollout.gate" for event in receiver.told()))
    sluice.ctl("rollout", "abort", NAME, "--reason", "enough")
    poll("the end", lambda: any(event["what"] == "rollout.returned" for event in receiver.told()))
    await_all(sluice, receiver, "rollout.")
    steps = [(event["what"], event["rollout"], event["step"], event["from"], event["to"]) for event in receiver.told()
             if event["from"] != event["to"]]
    expect_equal("changes of the share", steps, [("rollout.step", 1, 1, 0, 0.5), ("rollout.abort", 1, 1, 0.5, 0)])
    receiver.stop()

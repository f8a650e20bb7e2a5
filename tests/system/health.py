"""Dead addresses leave the answers and come back, with real web servers that are really killed."""

import signal
import socket
import threading
import time

from harness import DEADLINE_S, Nginx, Sluice, expect, expect_equal, free_port, poll, test
from queries import Asker, addresses, ask_many, question

INTERVAL_S = 0.5
RISE = 2
FALL = 3
BOUND_S = 0.2    # what may be added to rise or fall times the interval
GRACE_S = 2.0    # more than the bound, as the machine that tests may be loaded; whether the bound was met is shown
ADDRESSES = ("127.0.1.1", "127.0.1.2", "127.0.2.1")
WWW = question("www.shop.example", "A")


def config(port, kind="http"):
    path = 'path = "/healthz"' if kind == "http" else ""
    return f"""
[check.web]
type = "{kind}"
port = {port}
interval = "{int(INTERVAL_S * 1000)}ms"
timeout = "250ms"
rise = {RISE}
fall = {FALL}
hold_down = "0s"
{path}
[pool.v1]
check = "web"
endpoints = ["127.0.1.1", "127.0.1.2"]
[pool.v2]
check = "web"
endpoints = ["127.0.2.1"]
[steer."www.shop.example"]
pools = {{ v1 = 90, v2 = 10 }}
"""


def start(sandbox, kind="http"):
    """(sluice, {address: nginx}), all of it up."""
    port = free_port(("127.0.0.1",) + ADDRESSES)
    servers = {address: Nginx(sandbox, address, port) for address in ADDRESSES}
    for server in servers.values():
        server.start()
    sluice = Sluice(sandbox, config(port, kind))
    sluice.start()
    poll("all endpoints up", lambda: all(sluice.endpoint(address)["health"] == "up" for address in ADDRESSES))
    return sluice, servers


def last_given(asker, address, patience_s):
    """When the last question was sent that was answered by `address`, asking at full speed for so long."""
    last = 0.0
    end = time.monotonic() + patience_s
    while (now := time.monotonic()) < end:
        if address in asker.addresses(WWW):
            last = now
    return last


def first_given(asker, address):
    end = time.monotonic() + DEADLINE_S
    while (now := time.monotonic()) < end:
        if address in asker.addresses(WWW):
            return now
    raise AssertionError(f"{address} did not come back within {DEADLINE_S} s")


def check_bound(sandbox, what, took_s, intervals):
    bound = intervals * INTERVAL_S + BOUND_S
    verdict = "within" if took_s <= bound else "OVER"
    sandbox.note(f"{what} after {took_s:.3f} s; {verdict} {intervals} x {INTERVAL_S} s + {BOUND_S} s = {bound} s")
    expect(took_s <= bound + GRACE_S, f"{what} after {took_s:.3f} s; the bound is {bound} s")


def kill_and_bring_back(sandbox, kind):
    sluice, servers = start(sandbox, kind)
    server = servers["127.0.1.1"]
    with Asker(sluice.port) as asker:
        for _ in range(3):
            poll("127.0.1.1 in the answers", lambda: "127.0.1.1" in asker.addresses(WWW))
            killed = time.monotonic()
            server.kill()
            gone = last_given(asker, server.address, FALL * INTERVAL_S + BOUND_S + GRACE_S) - killed
            check_bound(sandbox, "gone from the answers", gone, FALL)
            returned = server.start()
            back = first_given(asker, server.address) - returned
            check_bound(sandbox, "back in the answers", back, RISE)


@test
def a_killed_server_leaves_the_answers_and_comes_back(sandbox):
    kill_and_bring_back(sandbox, "http")


@test
def a_closed_port_leaves_the_answers_and_comes_back(sandbox):
    kill_and_bring_back(sandbox, "tcp")


@test
def the_share_of_a_dead_pool_goes_to_the_living(sandbox):
    sluice, servers = start(sandbox)
    servers["127.0.2.1"].kill()
    poll("127.0.2.1 down", lambda: sluice.endpoint("127.0.2.1")["health"] == "down")
    given = {address for reply in ask_many(sluice.port, [WWW] * 2000) for address in addresses(reply)}
    expect_equal("addresses while v2 is dead", given, {"127.0.1.1", "127.0.1.2"})
    steer = sluice.status()["steers"][0]
    expect_equal("shares now", {pool["pool"]: pool["now_share"] for pool in steer["pools"]}, {"v1": 1, "v2": 0})


@test
def a_small_pool_takes_a_part_of_a_dead_great_one_and_standby_takes_the_rest(sandbox):
    """v2 is sized for 5 %: it comes to half of the answers, and no further."""
    port = free_port(("127.0.0.1",) + ADDRESSES)
    servers = {address: Nginx(sandbox, address, port) for address in ADDRESSES}
    for server in servers.values():
        server.start()
    sluice = Sluice(sandbox, config(port).replace("v1 = 90, v2 = 10 }", 'v1 = 95, v2 = 5 }\nstandby = ["dr"]')
                    + '[pool.dr]\nendpoints = ["127.0.3.1"]\n')
    sluice.start()
    poll("all endpoints up", lambda: all(sluice.endpoint(address)["health"] == "up" for address in ADDRESSES))
    given = {address for reply in ask_many(sluice.port, [WWW] * 1000) for address in addresses(reply)}
    expect_equal("addresses while all is well", given, set(ADDRESSES))

    servers["127.0.1.1"].kill()
    servers["127.0.1.2"].kill()
    poll("v1 down", lambda: not sluice.status()["pools"][0]["alive"])

    def check_shares(wanted):
        replies = [addresses(reply) for reply in ask_many(sluice.port, [WWW] * 4000)]
        shares = {address: 100 * sum(reply == [address] for reply in replies) / len(replies) for address in wanted}
        expect(all(abs(shares[address] - share) < 5 for address, share in wanted.items()), f"shares are {shares}, wanted {wanted}")

    check_shares({"127.0.1.1": 0, "127.0.1.2": 0, "127.0.2.1": 50, "127.0.3.1": 50})
    expect_equal("the rule", sluice.status()["steers"][0]["rule"], "dead pools' shares moved; standby pools help out")
    sluice.ctl("endpoint", "down", "127.0.3.1")
    check_shares({"127.0.1.1": 25, "127.0.1.2": 25, "127.0.2.1": 50, "127.0.3.1": 0})
    expect_equal("the rule without standby", sluice.status()["steers"][0]["rule"],
                 "dead pools' shares moved; the others may take no more: dead pools answer as if healthy")


@test
def when_all_is_dead_the_answer_is_as_if_all_were_healthy(sandbox):
    sluice, servers = start(sandbox)
    # One pool after the other: were all to fail at once, the checker would be the suspect.
    servers["127.0.2.1"].kill()
    poll("127.0.2.1 down", lambda: sluice.endpoint("127.0.2.1")["health"] == "down")
    for server in servers.values():
        server.kill()
    with Asker(sluice.port) as asker:
        def all_down():
            expect(asker.addresses(WWW), "an answer was empty")
            return all(endpoint["health"] == "down" for pool in sluice.status()["pools"] for endpoint in pool["endpoints"])
        poll("all endpoints down", all_down)
        replies = [addresses(reply) for reply in asker.ask_many([WWW] * 5000)]
    expect(all(replies), "an answer was empty")
    expect_equal("addresses", {reply[0] for reply in replies}, set(ADDRESSES))
    share = 100 * sum(reply == ["127.0.2.1"] for reply in replies) / len(replies)
    expect(abs(share - 10) < 3, f"v2 has {share} % when all is dead; its weight is 10")


@test
def an_endpoint_is_not_given_before_its_first_success(sandbox):
    """The daemon starts while one of its servers is dead: that one is never in an answer."""
    port = free_port(("127.0.0.1",) + ADDRESSES)
    servers = {address: Nginx(sandbox, address, port) for address in ADDRESSES}
    servers["127.0.1.1"].start()
    servers["127.0.2.1"].start()
    sluice = Sluice(sandbox, config(port))
    sluice.start()
    given = {address for reply in ask_many(sluice.port, [WWW] * 2000) for address in addresses(reply)}
    expect("127.0.1.2" not in given, f"a dead server was given from the start: {given}")
    expect_equal("health", sluice.endpoint("127.0.1.2")["health"], "down")


@test
def the_operator_has_the_last_word(sandbox):
    sluice, servers = start(sandbox)
    sluice.ctl("endpoint", "down", "127.0.1.1", "--reason", "smells odd")
    given = {address for reply in ask_many(sluice.port, [WWW] * 1000) for address in addresses(reply)}
    expect("127.0.1.1" not in given, "an address that was said to be down was given")
    servers["127.0.1.2"].kill()
    poll("127.0.1.2 down", lambda: sluice.endpoint("127.0.1.2")["health"] == "down")
    sluice.ctl("endpoint", "up", "127.0.1.2")
    given = {address for reply in ask_many(sluice.port, [WWW] * 1000) for address in addresses(reply)}
    expect("127.0.1.2" in given, "an address that was said to be up was not given")
    for address in ("127.0.1.1", "127.0.1.2"):
        sluice.ctl("endpoint", "auto", address)
    poll("the checks decide again", lambda: sluice.endpoint("127.0.1.2")["serving"] is False)
    given = {address for reply in ask_many(sluice.port, [WWW] * 1000) for address in addresses(reply)}
    expect_equal("addresses in the end", given, {"127.0.1.1", "127.0.2.1"})


class SilentServer:
    """Accepts connections and never says a word: to be noticed by the timeout."""

    def __init__(self, address, port):
        self.socket = socket.create_server((address, port), backlog=256)
        self.kept = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                self.kept.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        self.socket.close()
        for connection in self.kept:
            connection.close()


@test
def a_server_that_accepts_and_says_nothing_is_dead(sandbox):
    sluice, servers = start(sandbox)
    servers["127.0.1.1"].kill()
    silent = SilentServer("127.0.1.1", servers["127.0.1.1"].port)
    try:
        poll("127.0.1.1 down", lambda: sluice.endpoint("127.0.1.1")["health"] == "down")
    finally:
        silent.close()


class Listener:
    """Takes connections at once. When it is silent, a SYN gets no reply, as if the network had dropped it."""

    def __init__(self, address, port):
        self.socket = socket.create_server((address, port), backlog=1)
        self.open = threading.Event()
        self.open.set()
        self.kept = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                self.open.wait()
                self.socket.accept()[0].close()
        except OSError:
            pass

    def fall_silent(self):
        """The queue of those who wait to be accepted is filled."""
        self.open.clear()
        try:
            while True:
                self.kept.append(socket.create_connection(self.socket.getsockname(), timeout=1))
        except TimeoutError:
            pass

    def speak(self):
        for connection in self.kept:
            connection.close()
        self.kept = []
        self.open.set()


@test
def when_all_hang_the_standby_takes_over(sandbox):
    """They take connections and say nothing: that is no silence of the checker's own network."""
    port = free_port(("127.0.0.1",) + ADDRESSES)
    servers = {address: Nginx(sandbox, address, port) for address in ADDRESSES}
    for server in servers.values():
        server.start()
    more = '[pool.standby]\nendpoints = ["192.0.2.1"]\n[steer."www.shop.example"]\nstandby = ["standby"]\n'
    sluice = Sluice(sandbox, config(port).replace('[steer."www.shop.example"]\n', more))
    sluice.start()
    for server in servers.values():
        server.process.signal(signal.SIGSTOP)
    try:
        poll("all down", lambda: {sluice.endpoint(address)["health"] for address in ADDRESSES} == {"down"})
        given = {address for reply in ask_many(sluice.port, [WWW] * 200) for address in addresses(reply)}
        expect_equal("addresses", given, {"192.0.2.1"})
        expect("checker.suspected" not in [event["kind"] for event in sluice.events()], "the checker was suspected")
    finally:
        for server in servers.values():
            server.process.signal(signal.SIGCONT)


def fall_silent_together(sluice, servers, attempts=4):
    """Where the machine stalls, one of them answers when others are silent already, and they are pruned as they should be: then again."""
    for _ in range(attempts):
        together = [threading.Thread(target=server.fall_silent) for server in servers]
        for one in together:
            one.start()

        def down():
            return {sluice.endpoint(address)["health"] for address in ADDRESSES} == {"down"}
        poll("suspected, or all down", lambda: sluice.status()["checker"]["suspected_since"] or down())
        if sluice.status()["checker"]["suspected_since"]:
            break
        for one in together:
            one.join()
        for server in servers:
            server.speak()
        poll("all up again", lambda: {sluice.endpoint(address)["health"] for address in ADDRESSES} == {"up"})
    return together


@test
def when_all_fails_at_once_nothing_is_pruned(sandbox):
    port = free_port(("127.0.0.1",) + ADDRESSES)
    servers = [Listener(address, port) for address in ADDRESSES]
    sluice = Sluice(sandbox, config(port, "tcp"))
    sluice.start()
    poll("all up", lambda: {sluice.endpoint(address)["health"] for address in ADDRESSES} == {"up"})
    together = fall_silent_together(sluice, servers)
    try:
        poll("the checker is suspected", lambda: sluice.status()["checker"]["suspected_since"])
        for _ in range(2 * FALL):
            seen = sluice.endpoint("127.0.1.1")["last"]["at"]
            poll("another probe", lambda: sluice.endpoint("127.0.1.1")["last"]["at"] != seen)
        expect_equal("verdicts", {sluice.endpoint(address)["health"] for address in ADDRESSES}, {"up"})
        expect("suspect" in sluice.status()["warnings"][0], "status has no warning")
    finally:
        for one in together:
            one.join()
        for server in servers:
            server.speak()
    poll("it is trusted again", lambda: not sluice.status()["checker"]["suspected_since"])
    kinds = [event["kind"] for event in sluice.events()]
    expect("checker.suspected" in kinds and "checker.trusted" in kinds, f"events: {kinds}")
    expect_equal("verdicts", {sluice.endpoint(address)["health"] for address in ADDRESSES}, {"up"})


@test
def health_is_kept_over_a_restart(sandbox):
    sluice, servers = start(sandbox)
    servers["127.0.1.2"].kill()
    poll("127.0.1.2 down", lambda: sluice.endpoint("127.0.1.2")["health"] == "down")
    since = sluice.endpoint("127.0.1.2")["since"]
    poll("it is stored", lambda: any(event["kind"] == "endpoint.down" for event in sluice.events()))
    sluice.process.kill()
    servers["127.0.1.2"].start()
    sluice.start()
    # Known from before: it has to rise, and the first success does not decide.
    endpoint = sluice.endpoint("127.0.1.2")
    expect(endpoint["since"] == since or endpoint["health"] == "up", f"forgotten: {endpoint}")
    poll("127.0.1.2 up", lambda: sluice.endpoint("127.0.1.2")["health"] == "up")
    ups = [event for event in sluice.events() if event["kind"] == "endpoint.up" and event["subject"] == "127.0.1.2"]
    expect("2 successes in a row" in ups[-1]["text"], f"came up by {ups[-1]['text']}")


@test
def events_name_the_endpoint_and_not_only_what_is_asked(sandbox):
    sluice = Sluice(sandbox, config(1, "tcp").replace('"127.0.1.1", ', '{ address = "127.0.1.1", check_address = "127.0.0.12" }, '))
    sluice.start()
    poll("an event", lambda: [event for event in sluice.events() if event["subject"] == "127.0.1.1"])
    event = [event for event in sluice.events() if event["subject"] == "127.0.1.1"][0]
    expect(event["text"].startswith("127.0.1.1 is down by check web") and "; it asks 127.0.0.12" in event["text"], event["text"])
    expect_equal("events about what is asked", [event for event in sluice.events() if event["subject"] == "127.0.0.12"], [])

"""A rolling upgrade by the real daemon: real web servers are restarted one by one by a hook, and no client notices."""

import hashlib
import hmac
import http.server
import json
import os
import threading

from clients import Clients
from harness import Nginx, Sluice, expect, expect_equal, free_port, make_certificate, poll, steering, test, web_check
from notify import Receiver
from queries import ask, question

ADDRESSES = ("127.0.1.1", "127.0.1.2", "127.0.1.3")
WWW = question("www.shop.example", "A")


def config(port):
    return web_check(port) + steering("www.shop.example", {"v1": (1, ADDRESSES)}, "1s", "web")


class Deployer(threading.Thread):
    """Restarts web servers for the hook, which asks for it by one pipe and waits at another. A hook's own processes end with it, as
    those of a service manager do not."""

    def __init__(self, sandbox, servers):
        super().__init__(daemon=True)
        self.servers = servers
        self.asked, self.done = sandbox.path("asked"), sandbox.path("done")
        os.mkfifo(self.asked)
        os.mkfifo(self.done)
        self.runs = []  # (address, attempt, pool, rollout)
        self.hook = sandbox.write("hook", f"""#!/bin/sh
echo "$ADDRESS $ATTEMPT $POOL $ROLLOUT" >{self.asked}
read -r reply <{self.done}
echo "$reply"
[ "$reply" = restarted ]
""")
        os.chmod(self.hook, 0o755)
        self.verdicts = {}  # address -> what the hook says of it instead
        self.start()

    def run(self):
        while os.path.exists(self.asked):  # as long as there is a sandbox
            with open(self.asked, encoding="ascii") as pipe:
                words = pipe.read().split()
            if not words:
                continue
            self.runs.append(tuple(words))
            reply = self.verdicts.get(words[0], "restarted")
            if reply == "restarted":
                self.servers[words[0]].kill()
                self.servers[words[0]].start()
            if reply == "silence":
                continue
            with open(self.done, "w", encoding="ascii") as pipe:
                pipe.write(reply + "\n")


class WebDeployer:
    """Restarts web servers when it is posted to."""

    def __init__(self, servers):
        deployer = self
        self.servers, self.runs, self.verdicts = servers, [], {}  # address -> status, or "silence"
        self.let_go = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                deployer.deploy(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/deploy"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def deploy(self, request, asked):
        self.runs.append((asked["address"], asked["attempt"], asked["pool"], asked["rollout"]))
        verdict = self.verdicts.get(asked["address"], 200)
        if verdict == "silence":
            self.let_go.wait()
            return
        if verdict == 200:
            self.servers[asked["address"]].kill()
            self.servers[asked["address"]].start()
        body = b"restarted\n" if verdict == 200 else b"no disk\n"
        request.send_response(verdict)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def stop(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


def start(sandbox):
    port = free_port(("127.0.0.1",) + ADDRESSES)
    servers = {address: Nginx(sandbox, address, port) for address in ADDRESSES}
    for server in servers.values():
        server.start()
    sluice = Sluice(sandbox, config(port))
    sluice.start()
    poll("all endpoints up", lambda: all(sluice.endpoint(address)["health"] == "up" for address in ADDRESSES))
    return sluice, Deployer(sandbox, servers), port


def rolling(sluice):
    return json.loads(sluice.ctl("--json", "rolling", "status", "v1"))["rollings"][0]


def places(sluice):
    return [endpoint["place"] for endpoint in rolling(sluice)["endpoints"]]


def await_phase(sluice, phase):
    poll(f"a rolling that is {phase}", lambda: rolling(sluice)["phase"] == phase)


def ttl_of(sluice):
    return ask(sluice.port, "www.shop.example", "A").answer[0].ttl


def words(sluice):
    return [event["kind"] for event in sluice.events() if event["kind"].startswith("rolling.")]


@test
def a_rolling_upgrade_fails_no_request(sandbox):
    sluice, deployer, port = start(sandbox)
    client = Clients(WWW, [sluice.port], port)
    sluice.ctl("rolling", "start", "v1", "--hook", deployer.hook, "--batch", "1")
    await_phase(sluice, "done")
    client.end()
    sandbox.note(f"{client.requests} requests, {len(client.failures)} failed")
    expect_equal("failed requests", client.failures, [])
    expect(client.requests > 100, f"only {client.requests} requests")
    expect_equal("hooks", deployer.runs, [(address, "1", "v1", "1") for address in ADDRESSES])
    expect_equal("output kept", [endpoint["output"] for endpoint in rolling(sluice)["endpoints"]], ["restarted"] * 3)
    step = ["rolling.drain", "rolling.empty", "rolling.hook", "rolling.hooked", "rolling.return"]
    expect_equal("events", words(sluice), ["rolling.start"] + step * 3 + ["rolling.done"])


@test
def a_failed_hook_is_tried_again_and_lost_ones_do_not_count(sandbox):
    sluice, deployer, _ = start(sandbox)
    refused = sluice.run_ctl("rolling", "start", "v1", "--batch", "3")
    expect_equal("exit code of a batch of all", refused.returncode, 1)
    deployer.verdicts["127.0.1.1"] = "broken"
    sluice.ctl("rolling", "start", "v1", "--hook", deployer.hook)
    await_phase(sluice, "failed")
    expect("127.0.1.1: hook: exit status 1" in rolling(sluice)["reason"], rolling(sluice)["reason"])
    expect_equal("output kept", rolling(sluice)["endpoints"][0]["output"], "broken")
    deployer.verdicts["127.0.1.1"] = "silence"
    sluice.ctl("rolling", "resume", "v1")
    for attempt, end in ((2, sluice.process.kill), (3, lambda: sluice.process.terminate())):
        poll(f"attempt {attempt}", lambda number=attempt: len(deployer.runs) == number)
        end()
        sluice.start()
    poll("attempt 4", lambda: len(deployer.runs) == 4)
    deployer.verdicts.clear()
    sluice.process.kill()
    sluice.start()
    poll("one that is through", lambda: places(sluice)[0] == "returned")
    expect_equal("attempts", [run[:2] for run in deployer.runs[:5]], [("127.0.1.1", number) for number in "12345"])
    expect_equal("failures that count", rolling(sluice)["endpoints"][0]["failures"], 0)
    sluice.ctl("rolling", "abort", "v1", "--reason", "enough")
    await_phase(sluice, "aborted")
    words_left = [endpoint["word"] for pool in sluice.status()["pools"] for endpoint in pool["endpoints"] if endpoint.get("word")]
    expect_equal("words about endpoints at the end", words_left, [])
    sluice.ctl("rolling", "start", "v1", "--hook", "true")
    sluice.ctl("rolling", "abort", "v1")
    history = json.loads(sluice.ctl("--json", "rolling", "history", "v1"))["rollings"]
    expect_equal("history", [(one["id"], one["phase"], one["reason"]) for one in history],
                 [(2, "aborted", ""), (1, "aborted", "enough")])
    for words_of_none in (("rolling", "history"), ("rollout", "history", "www.shop.example")):
        none = sluice.run_ctl(*words_of_none, "--limit", "0")
        expect_equal("exit code of a history of none", none.returncode, 1)
        expect("'limit' has to be at least 1" in none.stderr, none.stderr)
    text = sluice.ctl("rolling", "history", "--limit", "1")
    expect("rolling 2 by" in text and "ended" in text and "rolling 1 by" not in text, text)


@test
def a_rolling_upgrade_by_a_webhook_survives_failures_and_kill_9(sandbox):
    sluice, deployer, _ = start(sandbox)
    web = WebDeployer(deployer.servers)
    web.verdicts["127.0.1.1"] = 500
    sluice.ctl("rolling", "start", "v1", "--hook-url", web.url)
    await_phase(sluice, "failed")
    first = rolling(sluice)["endpoints"][0]
    expect_equal("what is kept", (first["detail"], first["output"]), ("hook: status 500", "no disk"))
    web.verdicts["127.0.1.1"] = "silence"
    sluice.ctl("rolling", "resume", "v1")
    poll("attempt 2", lambda: len(web.runs) == 2)
    sluice.process.kill()
    sluice.start()
    poll("attempt 3", lambda: len(web.runs) == 3)
    web.verdicts.clear()
    sluice.process.kill()
    sluice.start()
    await_phase(sluice, "done")
    web.stop()
    expect_equal("attempts", [run[:2] for run in web.runs[:4]], [("127.0.1.1", number) for number in (1, 2, 3, 4)])
    expect_equal("others", web.runs[4:], [(address, 1, "v1", 1) for address in ADDRESSES[1:]])
    expect_equal("output kept", [endpoint["output"] for endpoint in rolling(sluice)["endpoints"]], ["restarted"] * 3)
    refused = sluice.run_ctl("rolling", "start", "v1", "--hook-url", web.url, "--hook", "true")
    expect("exclude each other" in refused.stderr, refused.stderr)


@test
def a_hook_of_the_config_is_believed_by_its_authority_only_and_signed(sandbox):
    make_certificate(sandbox, "receiver", "127.0.0.1")
    deployer = Receiver(tls=sandbox.path("receiver")).start()
    hook = f'[hook.deploy]\nurl = "https://127.0.0.1:{deployer.port}/deploy"\nsecret = "hush"\nheaders = {{ Authorization = "Bearer t" }}\n'
    pool = '[pool.v1]\nendpoints = ["127.0.1.1", "127.0.1.2"]\n'
    sluice = Sluice(sandbox, hook + pool)
    sluice.start()
    sluice.ctl("rolling", "start", "v1", "--hook-url", "deploy")
    await_phase(sluice, "failed")
    expect("not one that is trusted" in rolling(sluice)["reason"], rolling(sluice)["reason"])
    expect_equal("requests that an untrusted server saw", deployer.requests, [])
    sluice.write_config(hook + 'ca = "receiver.pem"\n' + pool)
    sluice.ctl("reload")
    sluice.ctl("rolling", "resume", "v1")
    await_phase(sluice, "done")
    path, headers, octets = deployer.requests[0]
    expect_equal("path and authorization", (path, headers["Authorization"]), ("/deploy", "Bearer t"))
    expect_equal("signature", headers["Sluice-Signature"], "sha256=" + hmac.new(b"hush", octets, hashlib.sha256).hexdigest())
    expect("hush" not in sluice.ctl("--json", "rolling", "history") + sluice.process.log(), "the secret is shown")
    deployer.stop()


@test
def a_rolling_lowers_the_ttl_and_raises_it_at_its_end(sandbox):
    sluice = Sluice(sandbox, steering("www.shop.example", {"v1": (1, ADDRESSES)}, "4s"))
    sluice.start()
    expect_equal("TTL before", ttl_of(sluice), 4)
    sluice.ctl("rolling", "start", "v1", "--hook", "true", "--ttl", "1s")
    expect_equal("phase and TTL at once", (rolling(sluice)["phase"], ttl_of(sluice)), ("arming", 1))
    expect_equal("places until caches have let go of it", places(sluice), ["waiting"] * 3)
    sluice.process.kill()
    sluice.start()
    expect_equal("TTL after a restart", ttl_of(sluice), 1)
    poll("the first batch", lambda: rolling(sluice)["phase"] != "arming")
    expect_equal("TTL of the first batch", ttl_of(sluice), 1)
    await_phase(sluice, "done")
    expect_equal("TTL after the end", ttl_of(sluice), 4)


@test
def a_late_word_does_not_confirm_the_next_batch(sandbox):
    sluice = Sluice(sandbox, '[pool.v1]\nendpoints = ["127.0.1.1", "127.0.1.2"]\n')
    sluice.start()
    sluice.ctl("rolling", "start", "v1")
    poll("work on the first", lambda: places(sluice) == ["hooking", "waiting"])
    sluice.ctl("rolling", "resume", "v1", "--batch", "1")
    poll("work on the second", lambda: places(sluice) == ["returned", "hooking"])
    for word in ("resume", "pause", "abort"):
        late = sluice.run_ctl("rolling", word, "v1", "--batch", "1")
        expect_equal(f"exit code of a late {word}", late.returncode, 1)
        expect("rolling 1 of v1 is at batch 2 of 2, and not at 1" in late.stderr, late.stderr)
    expect_equal("places after them", places(sluice), ["returned", "hooking"])
    sluice.ctl("rolling", "resume", "v1", "--batch", str(rolling(sluice)["batch"]))
    await_phase(sluice, "done")


@test
def a_webhook_that_hangs_has_its_timeout(sandbox):
    sluice, deployer, _ = start(sandbox)
    web = WebDeployer(deployer.servers)
    web.verdicts["127.0.1.1"] = "silence"
    sluice.ctl("rolling", "start", "v1", "--hook-url", web.url, "--hook-timeout", "100ms")
    await_phase(sluice, "failed")
    web.stop()
    expect("timeout after 100ms" in rolling(sluice)["endpoints"][0]["detail"], f"{rolling(sluice)}")

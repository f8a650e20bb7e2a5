"""Starting, reloading and stopping."""

import fcntl
import http.client
import json
import os
import pty
import pwd
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

from harness import REPO, Skip, Sluice, expect, expect_equal, free_port, make_certificate, poll, run, test
from queries import Asker, addresses, ask, question, texts
from shares import CONFIG
from tls import HOST


@test
def ready_names_the_listeners(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    line = next(line for line in sluice.process.log().splitlines() if line.startswith("ready"))
    expect(f"127.0.0.1:{sluice.port}" in line, f"the listener is not in {line!r}")


@test
def sigterm_and_sigint_end_it_with_0(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    for number in (signal.SIGTERM, signal.SIGINT):
        sluice.start()
        sluice.process.signal(number)
        poll(f"the end after {number.name}", lambda: not sluice.process.alive())
        expect_equal(f"exit code after {number.name}", sluice.process.popen.wait(), 0)
        expect(not os.path.exists(sluice.socket_path), "the admin socket is still there")


@test
def sighup_takes_a_new_zone_and_config(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    with open(sandbox.path("shop.example.zone"), "a", encoding="utf-8") as zone:
        zone.write('news TXT "fresh"\n')
    sluice.write_config(CONFIG.replace("v1 = 90, v2 = 10", "v1 = 0, v2 = 1") + '[steer."new.shop.example"]\npools = { v2 = 1 }\n')
    sluice.process.signal(signal.SIGHUP)
    poll("the new record", lambda: texts(ask(sluice.port, "news.shop.example", "TXT")))
    expect_equal("a new steer", texts(ask(sluice.port, "new.shop.example", "A"))[0].split()[-1], "127.0.2.1")
    with Asker(sluice.port) as asker:
        given = {address for reply in asker.ask_many([question("www.shop.example", "A")] * 500) for address in addresses(reply)}
    expect_equal("addresses with the new weights", given, {"127.0.2.1"})


@test
def a_reload_keeps_what_was_set_at_run_time(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    sluice.ctl("weight", "set", "www.shop.example", "v1=3", "v2=7")
    sluice.ctl("endpoint", "drain", "127.0.1.1")
    sluice.ctl("reload")
    expect_equal("weights", sluice.weights("www.shop.example"), {"v1": 3, "v2": 7})
    expect_equal("word", sluice.endpoint("127.0.1.1")["word"]["word"], "drain")


@test
def no_query_is_lost_while_weights_change_and_zones_reload(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    with Asker(sluice.port) as asker:
        for number in range(20):
            sluice.ctl("weight", "set", "www.shop.example", f"v1={number + 1}", "v2=1")
            sluice.ctl("reload")
            for reply in asker.ask_many([question("www.shop.example", "A")] * 200):
                expect(addresses(reply), "an empty answer")


@test
def version_and_config_check_work_on_the_command_line(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    expect("0.1.0" in sluice.ctl("version"), "no version")
    result = run([sluice.program("sluicectl"), "config", "check", sluice.config_path])
    expect_equal(f"exit code of config check\n{result.stdout}{result.stderr}", result.returncode, 0)
    sandbox.write("sluice.toml", "[server]\nlisten = 5\n")
    result = run([sluice.program("sluicectl"), "config", "check", sluice.config_path])
    expect_equal("exit code of config check of a broken config", result.returncode, 1)
    expect("sluice.toml:2:10: error: " in result.stdout + result.stderr, f"no place in {result.stdout}{result.stderr}")


@test
def a_watch_stays_on_the_screen_and_keeps_what_was_last_known(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    columns, rows = 40, 6
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    command = [sluice.program("sluicectl"), "--socket", sluice.socket_path, "status", "--watch"]
    with subprocess.Popen(command, stdout=terminal, stderr=terminal) as watch:
        os.close(terminal)
        written = bytearray()

        def picture():
            """The last one that is whole."""
            while select.select([ours], [], [], 0.05)[0]:
                written.extend(os.read(ours, 65536))
            return re.sub("\x1b\\[[0-9]*m", "", written.decode()).split("\x1b[H\x1b[2J")[-1].splitlines()
        poll("a picture", lambda: len(picture()) == rows - 1)
        lines = picture()
        expect(lines[0].startswith("sluiced 0.1.0"), f"{lines}")
        expect(re.fullmatch(r"… \d+ more lines", lines[-1]), f"{lines}")
        expect(all(len(line) <= columns for line in lines), f"too wide: {lines}")
        sluice.process.kill()
        poll("what stands above and its age", lambda: picture()[-1:] and re.match(r"what stands above is \d+m?s old", picture()[-1]))
        lines = picture()
        expect_equal("lines", len(lines), rows - 1)
        expect(lines[0].startswith("sluiced 0.1.0") and lines[-2].startswith("sluicectl: "), f"{lines}")
        watch.terminate()
    os.close(ours)


@test
def a_watch_is_a_stream_of_documents_and_ends_when_it_cannot_be_written(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    command = [sluice.program("sluicectl"), "--socket", sluice.socket_path, "status", "--watch"]
    with subprocess.Popen(command + ["--json"], stdout=subprocess.PIPE, text=True) as watch:
        for _ in range(2):
            expect("steers" in json.loads(watch.stdout.readline()), "no status in a line")
        watch.terminate()
    with open("/dev/full", "w", encoding="ascii") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    expect_equal("exit code of a watch that cannot be written", ended.returncode, 1)
    expect("No space left" in ended.stderr, ended.stderr)


@test
def the_metrics_count_queries(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    with Asker(sluice.port) as asker:
        asker.ask_many([question("www.shop.example", "A")] * 100)
    text = sluice.ctl("metrics")
    expect('sluice_dns_queries_total{transport="udp"} 100' in text, f"100 queries are not counted:\n{text}")


@test
def readiness_is_told_to_the_service_manager(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(sandbox.path("notify"))
        manager.settimeout(20)
        sluice.start(env={**os.environ, "NOTIFY_SOCKET": sandbox.path("notify")})
        expect("READY=1" in manager.recv(4096).decode(), "no READY=1")


@test
def the_http_listener_only_reads(sandbox):
    port = free_port()
    sluice = Sluice(sandbox, CONFIG, admin=f'http = "127.0.0.1:{port}"')
    sluice.start()
    expect_equal("steers", len(json.loads(get(port, "/v1/status")[1])["steers"]), 4)
    expect("sluice_dns_queries_total" in get(port, "/metrics")[1], "no metrics")
    expect("openapi" in get(port, "/v1/openapi.json")[1], "no description of the API")
    body = json.dumps({"weights": {"v1": 0, "v2": 1}})
    status, _ = get(port, "/v1/steer/www.shop.example/weights", "PUT", body)
    expect(400 <= status < 500, f"a change over TCP got status {status}")
    expect_equal("weights", sluice.weights("www.shop.example"), {"v1": 90, "v2": 10})
    expect_equal("exit code of sluicectl --url", run([sluice.program("sluicectl"), "--url", f"http://127.0.0.1:{port}",
                                                      "status"]).returncode, 0)


def get(port, path, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


@test
def privileges_are_dropped_after_binding(sandbox):
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    os.chmod(sandbox.folder, 0o755)  # the other user has to reach the state folder in it
    sluice = Sluice(sandbox, CONFIG, server='user = "nobody"')
    sluice.start()
    with open(f"/proc/{sluice.process.popen.pid}/status", encoding="utf-8") as text:
        uids = re.search(r"^Uid:(.*)$", text.read(), re.MULTILINE)[1].split()
    expect_equal("user ids", uids, [str(pwd.getpwnam("nobody").pw_uid)] * 4)
    sluice.ctl("weight", "set", "www.shop.example", "v1=1", "v2=2")
    sluice.process.kill()
    sluice.start()
    expect_equal("weights after a restart", sluice.weights("www.shop.example"), {"v1": 1, "v2": 2})
    expect_equal("exit code", sluice.process.terminate(), 0)


@test
def a_state_folder_has_one_daemon(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    config = open(sluice.config_path, encoding="utf-8").read().replace(str(sluice.port), str(free_port()))
    other = sandbox.write("other.toml", config.replace("admin.sock", "admin2.sock"))
    result = run([sluice.program("sluiced"), "--config", other])
    expect_equal(f"exit code of the second one\n{result.stdout}{result.stderr}", result.returncode, 1)
    expect("state" in result.stderr, f"the state folder is not named: {result.stderr}")
    sluice.ctl("status")


@test
def drain_with_wait_returns_when_no_cache_can_hold_the_address(sandbox):
    sluice = Sluice(sandbox, CONFIG.replace('[steer."app', 'ttl = "2s"\n[steer."app', 1).replace(
        '[steer."both.shop.example"]', '[steer."both.shop.example"]\nttl = "1s"').replace(
            'method = "sticky"', 'method = "sticky"\nttl = "1s"'))
    sluice.start()
    with Asker(sluice.port) as asker:
        while "127.0.1.1" not in asker.addresses(question("www.shop.example", "A")):
            pass
        given = time.monotonic()
    sluice.ctl("endpoint", "drain", "127.0.1.1", "--wait")
    waited = time.monotonic() - given
    expect(waited >= 2, f"returned {waited:.2f} s after an answer with a TTL of 2 s")


@test
def an_operators_word_can_end_by_itself(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    sluice.ctl("endpoint", "down", "127.0.1.1", "--for", "1s")
    expect_equal("word", sluice.endpoint("127.0.1.1")["word"]["word"], "down")
    poll("the end of the word", lambda: sluice.endpoint("127.0.1.1")["word"] is None)
    expect(sluice.endpoint("127.0.1.1")["serving"], "the address does not serve again")


@test
def the_readmes_config_and_the_example_are_valid(sandbox):
    with open(os.path.join(REPO, "README.md"), encoding="utf-8") as text:
        config = re.search(r"```toml\n(.*?)```", text.read(), re.DOTALL)[1]
    sluice = Sluice(sandbox)
    make_certificate(sandbox, "server", HOST)
    sandbox.write("sluice.toml", config.replace("/etc/sluice/", sandbox.path("")))
    for path in (sluice.config_path, os.path.join(REPO, "zones", "sluice.toml")):
        result = run([sluice.program("sluiced"), "--check", path])
        expect_equal(f"exit code of --check {path}\n{result.stdout}{result.stderr}", result.returncode, 0)

"""Checks over HTTPS, with real nginx, and of agents."""

import os
import socketserver
import threading

from harness import Nginx, Sluice, expect, expect_equal, free_port, make_certificate, poll, test

HOST = "www.shop.example"
ADDRESS = "127.0.1.1"


def config(check):
    return f"""
[check.web]
interval = "200ms"
timeout = "200ms"
rise = 1
fall = 1
hold_down = "0s"
{check}
[pool.v1]
check = "web"
endpoints = ["{ADDRESS}"]
[steer."www.shop.example"]
pools = {{ v1 = 1 }}
"""


def await_last(sluice, success, detail):
    """Until the last probe of the endpoint had this result."""
    def last():
        return sluice.endpoint(ADDRESS)["last"] or {}
    poll(f"'{detail}'", lambda: (last().get("success"), last().get("detail")) == (success, detail))


def reload(sluice, check):
    sluice.write_config(config(check))
    sluice.ctl("reload")


@test
def https_checks_of_nginx(sandbox):
    make_certificate(sandbox, "server", HOST)
    make_certificate(sandbox, "other", "other.example")
    port = free_port((ADDRESS,))
    Nginx(sandbox, ADDRESS, port, tls=sandbox.path("server")).start()
    base = f'type = "https"\nport = {port}\npath = "/healthz"\n'
    good = base + f'host = "{HOST}"\nca = "server.pem"\n'
    sluice = Sluice(sandbox, config(good))
    sluice.start()
    await_last(sluice, True, "200 OK")
    reload(sluice, good + 'body_regex = "^ok\\\\s*$"\n')
    await_last(sluice, True, "200 OK")
    reload(sluice, good + 'body = "broken"\n')
    await_last(sluice, False, "status 200, but its body has not 'broken'")
    reload(sluice, base + 'host = "other.example"\nca = "server.pem"\n')
    await_last(sluice, False, f"the certificate is not for other.example, but for {HOST}")
    reload(sluice, base + f'host = "{HOST}"\n')
    await_last(sluice, False, "the certificate is self-signed and not one that is trusted")
    reload(sluice, base + "verify = false\n")
    await_last(sluice, True, "200 OK")
    reload(sluice, base.replace("https", "http"))
    await_last(sluice, False, "status 400, expected 200-299")
    reload(sluice, base + f'host = "other.example"\nsni = "{HOST}"\nca = "server.pem"\nmethod = "HEAD"\n')
    await_last(sluice, True, "200 OK")


@test
def https_checks_see_a_change_of_their_authorities(sandbox):
    """The file is read again at each reload; a bad one is refused, and the old one stays in force."""
    make_certificate(sandbox, "server", HOST)
    port = free_port((ADDRESS,))
    Nginx(sandbox, ADDRESS, port, tls=sandbox.path("server")).start()
    sluice = Sluice(sandbox, config(f'type = "https"\nport = {port}\npath = "/healthz"\nhost = "{HOST}"\nca = "ca.pem"\n'))
    make_certificate(sandbox, "ca", "another.example")
    sluice.start()
    await_last(sluice, False, "the certificate is self-signed and not one that is trusted")
    sandbox.write("ca.pem", "nothing of use\n")
    refused = sluice.run_ctl("reload")
    expect_equal("exit code of a reload with bad authorities", refused.returncode, 1)
    expect("there is no PEM certificate in it" in refused.stderr, refused.stderr)
    os.replace(sandbox.path("server.pem"), sandbox.path("ca.pem"))
    sluice.ctl("reload")
    await_last(sluice, True, "200 OK")


class Agent(socketserver.ThreadingTCPServer):
    """Says its line to whoever connects."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, line):
        self.line = line
        super().__init__(address, None)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def finish_request(self, request, client_address):
        request.sendall(self.line)


@test
def an_agent_says_how_a_service_is(sandbox):
    port = free_port((ADDRESS,))
    with Agent((ADDRESS, port), b"up 50%\n") as agent:
        sluice = Sluice(sandbox, config(f'type = "agent"\nport = {port}\n'))
        sluice.start()
        await_last(sluice, True, "the agent says up 50%")
        expect_equal("health", sluice.endpoint(ADDRESS)["health"], "up")
        agent.line = b"down #\x1b[31mdisk\xff\n"
        await_last(sluice, False, "the agent says down ([31mdisk)")
        poll("down", lambda: sluice.endpoint(ADDRESS)["health"] == "down")
        agent.line = b"drain\n"
        await_last(sluice, True, "the agent says drain")
        poll("drained", lambda: sluice.endpoint(ADDRESS)["health"] == "drained")
        agent.line = b"ready\n"
        poll("up", lambda: sluice.endpoint(ADDRESS)["health"] == "up")
        agent.shutdown()

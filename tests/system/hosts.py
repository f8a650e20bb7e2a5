"""Names steered to hosts: CNAMEs, health by a name that the system's resolver knows, an operator's words about hosts."""

from harness import Nginx, Sluice, expect, expect_equal, free_port, poll, test
from queries import ask, texts

NAME = "cdn.shop.example"


def config(port):
    return f"""
[check.web]
type = "http"
port = {port}
path = "/healthz"
interval = "200ms"
timeout = "200ms"
rise = 1
fall = 1
[pool.cdn]
check = "web"
endpoints = ["localhost.", "sluice.invalid"]
[pool.spare]
endpoints = ["spare.cdn.test."]
[steer."{NAME}"]
pools = {{ cdn = 1, spare = 0 }}
ttl = "20s"
"""


def start(sandbox):
    port = free_port(("127.0.0.1",))
    server = Nginx(sandbox, "127.0.0.1", port)
    server.start()
    sluice = Sluice(sandbox, config(port))
    sluice.start()
    poll("localhost. up", lambda: sluice.endpoint("localhost.")["health"] == "up")
    return sluice, server


def hosts(sluice, rdtype="A", questions=40):
    """The targets of the CNAMEs that so many questions are answered by; an answer that is anything else shows as it is."""
    prefix = f"{NAME}. 20 IN CNAME "
    given = {"; ".join(texts(ask(sluice.port, NAME, rdtype))) for _ in range(questions)}
    return {text.removeprefix(prefix) for text in given}


@test
def a_name_that_leads_to_hosts_is_a_cname_for_every_type(sandbox):
    sluice, _ = start(sandbox)
    for rdtype in ("A", "AAAA", "MX", "TXT", "HTTPS", "CNAME", "ANY"):
        expect_equal(f"hosts for {rdtype}", hosts(sluice, rdtype, 4), {"localhost."})
    expect_equal("over TCP", texts(ask(sluice.port, NAME, "A", "tcp")), [f"{NAME}. 20 IN CNAME localhost."])


@test
def a_host_is_checked_at_its_addresses(sandbox):
    """One host has a real web server, the name of the other does not exist."""
    sluice, server = start(sandbox)
    expect_equal("health of a name without an address", sluice.endpoint("sluice.invalid.")["health"], "down")
    detail = sluice.endpoint("localhost.")["last"]["detail"]
    expect(detail.endswith(": 200 OK"), f"the detail of the last check is {detail!r}")
    expect_equal("hosts", hosts(sluice), {"localhost."})
    server.kill()
    poll("localhost. down", lambda: sluice.endpoint("localhost.")["health"] == "down")
    expect_equal("hosts when all of them are dead", hosts(sluice), {"localhost.", "sluice.invalid."})
    sluice.ctl("weight", "set", NAME, "spare=1")
    expect_equal("hosts when another pool lives", hosts(sluice), {"spare.cdn.test."})
    server.start()
    poll("localhost. up again", lambda: sluice.endpoint("localhost.")["health"] == "up")
    expect_equal("hosts in the end", hosts(sluice), {"localhost.", "spare.cdn.test."})


@test
def a_drained_host_stays_drained_over_a_crash(sandbox):
    sluice, _ = start(sandbox)
    sluice.ctl("weight", "set", NAME, "spare=1")
    text = sluice.ctl("endpoint", "drain", "LOCALHOST.", "--reason", "moving")
    expect("localhost. drained (moving)" in text, f"the drain says {text!r}")
    expect_equal("hosts after the drain", hosts(sluice), {"spare.cdn.test."})
    sluice.process.kill()
    sluice.start()
    expect_equal("the word after a crash", sluice.endpoint("localhost.")["word"]["word"], "drain")
    expect_equal("hosts after a crash", hosts(sluice), {"spare.cdn.test."})
    sluice.ctl("endpoint", "undrain", "localhost.")
    poll("localhost. back", lambda: "localhost." in hosts(sluice))
    refused = sluice.run_ctl("endpoint", "drain", "spare.cdn.tset")
    expect_equal("exit code for a host that no pool has", refused.returncode, 1)
    expect("did you mean 'spare.cdn.test.'?" in refused.stderr, refused.stderr)

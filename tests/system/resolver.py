"""A real resolver in front, and the tools that people look at answers with."""

import re

import dns.rcode

from harness import Sluice, expect, expect_equal, free_port, poll, run, test
from answers import STEERED
from queries import texts

NAMES = [
    ("www.shop.example", "A"), ("www.shop.example", "AAAA"), ("www.shop.example", "TXT"), ("shop.example", "A"),
    ("shop.example", "SOA"), ("shop.example", "NS"), ("shop.example", "MX"), ("shop.example", "TXT"), ("shop.example", "CAA"),
    ("m.shop.example", "A"), ("m.shop.example", "CNAME"), ("mail.shop.example", "A"), ("mail.shop.example", "AAAA"),
    ("_imaps._tcp.shop.example", "SRV"), ("x.dev.shop.example", "A"), ("green.preview.shop.example", "A"),
    ("nothing.shop.example", "A"), ("host.labs.shop.example", "A"), ("www.shop.example", "ANY"), ("www.shop.example", "HTTPS"),
]
# Through the resolver: what follows the owner in the first record of the type asked for; "" for none.
RESOLVED = [
    ("www.shop.example", "A", "127.0.1.1"), ("shop.example", "A", "127.0.1.1"), ("m.shop.example", "A", "127.0.1.1"),
    ("green.preview.shop.example", "A", "127.0.2.1"), ("mail.shop.example", "A", "127.0.3.1"),
    ("mail.shop.example", "AAAA", "2001:db8:3::1"), ("shop.example", "MX", "10 mail.shop.example."),
    ("shop.example", "TXT", '"v=spf1 mx -all"'), ("x.dev.shop.example", "A", "127.0.3.9"),
    ("_imaps._tcp.shop.example", "SRV", "0 1 993 mail.shop.example."), ("www.shop.example", "AAAA", ""),
]


def start(sandbox):
    sluice = Sluice(sandbox, STEERED)
    sluice.start()
    return sluice


def start_unbound(sandbox, stub_port, name="unbound"):
    """Its port. Each one in a sandbox has a name of its own."""
    port = free_port()
    config = sandbox.write(f"{name}.conf", f"""server:
  directory: "{sandbox.folder}"
  chroot: ""
  username: ""
  pidfile: "{sandbox.path(f'{name}.pid')}"
  use-syslog: no
  logfile: ""
  do-daemonize: no
  verbosity: 1
  interface: 127.0.0.1
  port: {port}
  do-not-query-localhost: no
  module-config: "iterator"
stub-zone:
  name: "shop.example"
  stub-addr: 127.0.0.1@{stub_port}
remote-control:
  control-enable: no
""")
    unbound = sandbox.start(name, ["/usr/sbin/unbound", "-d", "-p", "-c", config])
    poll(name, lambda: "start of service" in unbound.log() or not unbound.alive())
    expect(unbound.alive(), f"{name} ended")
    return port


@test
def unbound_resolves_steered_and_plain_names(sandbox):
    sluice = start(sandbox)
    port = start_unbound(sandbox, sluice.port)
    for name, rdtype, wanted in RESOLVED:
        for transport in ("udp", "tcp"):
            reply = ask_resolver(port, name, rdtype, transport)
            got = [line.split(f" IN {rdtype} ", 1)[1] for line in texts(reply) if f" IN {rdtype} " in line]
            expect_equal(f"{name} {rdtype} through unbound over {transport}", got, [wanted] if wanted else [])
    expect_equal("rcode of a name that is none", ask_resolver(port, "nothing.shop.example", "A").rcode(), dns.rcode.NXDOMAIN)


@test
def unbound_follows_a_change_when_the_ttl_is_over(sandbox):
    sluice = Sluice(sandbox, STEERED.replace("{ v1 = 1 }\nttl = \"30s\"", "{ v1 = 1, v2 = 0 }\nttl = \"1s\"", 1))
    sluice.start()
    port = start_unbound(sandbox, sluice.port)

    def resolved():
        return texts(ask_resolver(port, "www.shop.example", "A"))[0].split()[-1]
    expect_equal("before", resolved(), "127.0.1.1")
    sluice.ctl("weight", "set", "www.shop.example", "v1=0", "v2=1")
    poll("v2 through unbound", lambda: resolved() == "127.0.2.1")


def ask_resolver(port, name, rdtype, transport="udp"):
    import dns.flags  # pylint: disable=import-outside-toplevel
    import dns.message  # pylint: disable=import-outside-toplevel
    import dns.query  # pylint: disable=import-outside-toplevel
    query = dns.message.make_query(name, rdtype)
    query.flags |= dns.flags.RD
    send = dns.query.udp if transport == "udp" else dns.query.tcp
    return send(query, "127.0.0.1", port=port, timeout=20)


def tool_commands(port):
    """Each tool over each transport, with EDNS and without."""
    dig = ["dig", "@127.0.0.1", "-p", str(port), "+norecurse", "+tries=1"]
    kdig = ["kdig", "@127.0.0.1", "-p", str(port), "+norecurse", "+retry=0"]
    drill = ["drill", "-o", "rd", "-p", str(port)]
    return {
        "dig": dig, "dig over TCP": dig + ["+tcp"], "dig without EDNS": dig + ["+noedns"],
        "dig with a client subnet": dig + ["+subnet=192.0.2.0/24"], "dig with DO": dig + ["+dnssec"],
        "kdig": kdig, "kdig over TCP": kdig + ["+tcp"], "kdig with EDNS": kdig + ["+edns"],
        "kdig with a client subnet": kdig + ["+subnet=192.0.2.0/24"],
        "drill": drill, "drill over TCP": drill + ["-t"], "drill with DO": drill + ["-D"],
        "dig with a cookie": dig + ["+cookie"], "dig with NSID": dig + ["+nsid"], "dig with keepalive": dig + ["+tcp", "+keepalive"],
        "dig with padding": dig + ["+padding=128"], "dig with an unknown option": dig + ["+ednsopt=65001:00ff"],
        "kdig with NSID": kdig + ["+nsid"], "kdig with a cookie": kdig + ["+cookie"],
    }


# What the tools say when something is odd with a reply.
ODD = re.compile(r"warn|error|malformed|\bbad |mismatch|trailing|junk|extra|unexpected|timed out|could not|no reply", re.IGNORECASE)


@test
def dig_kdig_and_drill_read_every_answer_without_a_warning(sandbox):
    sluice = start(sandbox)
    read = 0
    for tool, command in tool_commands(sluice.port).items():
        for name, rdtype in NAMES:
            arguments = [name, rdtype, "@127.0.0.1"] if tool.startswith("drill") else [name, rdtype]
            result = run(command + arguments)
            text = result.stdout + result.stderr
            what = f"{tool}: {' '.join(command + arguments)}"
            expect_equal(f"exit code of {what}", result.returncode, 0)
            odd = [line for line in text.splitlines() if ODD.search(line) and "NOERROR" not in line]
            expect(not odd, f"{what} warns:\n{text}")
            expect("NOERROR" in text or "NXDOMAIN" in text, f"{what} shows no reply:\n{text}")
            read += 1
    sandbox.note(f"{read} answers read by dig, kdig and drill, no warning")


@test
def delv_reads_answers_of_an_unsigned_zone(sandbox):
    """With -i, as it is not to look for a chain of trust."""
    sluice = start(sandbox)
    delv = ["delv", "@127.0.0.1", "-p", str(sluice.port), "-i"]
    for name, rdtype, wanted in [("www.shop.example", "A", "127.0.1.1"), ("shop.example", "MX", "10 mail.shop.example."),
                                 ("www.shop.example", "MX", "$NXRRSET"), ("nothing.shop.example", "A", "$NXDOMAIN")]:
        result = run(delv + [name, rdtype])
        expect_equal(f"exit code of delv {name} {rdtype}", result.returncode, 0)
        expect(wanted in result.stdout, f"delv {name} {rdtype}: {result.stdout}{result.stderr}")

"""DNS over TLS with other people's clients: kdig (GnuTLS) and openssl. Connections in numbers."""

import os
import re
import signal
import socket
import struct

from harness import Failure, Skip, Sluice, expect, expect_equal, free_port, make_certificate, poll, run, test
from queries import ask, question

CONFIG = """
[pool.v1]
endpoints = ["127.0.1.1"]
[steer."www.shop.example"]
pools = { v1 = 1 }
"""
HOST = "ns1.shop.example"


def tls_config(port, name="server"):
    return f"""[tls]
listen = ["127.0.0.1:{port}"]
certificate = "{name}.pem"
key = "{name}.key"
{CONFIG}"""


def start(sandbox, **options):
    """(the daemon, its port for TLS)"""
    make_certificate(sandbox, "server", HOST)
    sluice, port = Sluice(sandbox, **options), free_port()
    sluice.write_config(tls_config(port))
    sluice.start()
    return sluice, port


def kdig(port, *arguments):
    return run(["kdig", "@127.0.0.1", "-p", str(port), "+retry=0", "+timeout=10", *arguments])


def s_client(port, *arguments):
    result = run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments])
    return result.stdout + result.stderr


def shown_certificate(port):
    found = re.search(r"-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----\n", s_client(port), re.DOTALL)
    expect(found, "openssl shows no certificate")
    return found[0]


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


@test
def kdig_asks_over_tls(sandbox):
    sluice, port = start(sandbox)
    result = kdig(port, "+tls", "www.shop.example", "A")
    expect(re.search(r"^www\.shop\.example\.\s+30\s+IN\s+A\s+127\.0\.1\.1$", result.stdout, re.MULTILINE), result.stdout)
    expect("TLS1.3" in result.stdout, f"no TLS 1.3:\n{result.stdout}")
    expect('dns_queries_total{transport="tls"} 1' in sluice.ctl("metrics"), "the query is not counted")


@test
def kdig_believes_the_certificate_of_the_right_name_only(sandbox):
    _, port = start(sandbox)
    trust = f"+tls-ca={sandbox.path('server.pem')}"
    result = kdig(port, trust, f"+tls-hostname={HOST}", "+short", "www.shop.example", "A")
    expect_equal(f"answer\n{result.stderr}", result.stdout.strip(), "127.0.1.1")
    result = kdig(port, trust, "+tls-hostname=other.example", "+short", "www.shop.example", "A")
    expect("127.0.1.1" not in result.stdout, "kdig accepted a certificate of another name")


@test
def handshakes_are_of_tls_1_2_at_least_and_for_dns(sandbox):
    _, port = start(sandbox)
    expect("TLSv1.3" in s_client(port), "no TLS 1.3")
    expect("Cipher is ECDHE" in s_client(port, "-tls1_2"), "no TLS 1.2")
    expect("protocol version" in s_client(port, "-tls1_1", "-cipher", "ALL@SECLEVEL=0"), "TLS 1.1 is not refused")
    expect("Cipher is (NONE)" in s_client(port, "-tls1_2", "-cipher", "AES128-SHA"), "a cipher without forward secrecy")
    expect("ALPN protocol: dot" in s_client(port, "-alpn", "dot"), "no ALPN dot")
    expect("no application protocol" in s_client(port, "-alpn", "h2"), "HTTP is not refused")


@test
def a_certificate_is_renewed_by_a_reload(sandbox):
    sluice, port = start(sandbox)
    first = shown_certificate(port)
    expect_equal("the certificate", first.strip(), read(sandbox.path("server.pem")).strip())
    make_certificate(sandbox, "server", HOST)
    sluice.ctl("reload")
    second = shown_certificate(port)
    expect_equal("the certificate after the reload", second.strip(), read(sandbox.path("server.pem")).strip())
    expect(first != second, "the certificate is the same")
    make_certificate(sandbox, "server", HOST)
    sluice.process.signal(signal.SIGHUP)
    poll("the new certificate", lambda: shown_certificate(port).strip() == read(sandbox.path("server.pem")).strip())


@test
def a_certificate_that_does_not_load_is_refused_with_all_of_the_config(sandbox):
    sluice, port = start(sandbox)
    before = shown_certificate(port)
    make_certificate(sandbox, "other", HOST)
    os.replace(sandbox.path("other.key"), sandbox.path("server.key"))
    sluice.write_config(tls_config(port).replace("v1 = 1", "v1 = -1"))
    result = sluice.run_ctl("reload")
    expect_equal("exit code of the reload", result.returncode, 1)
    for word in ("sluice.toml:17:7: error: key: ", "does not go with the certificate", "0 or more"):
        expect(word in result.stderr, f"no {word!r} in {result.stderr}")
    expect_equal("the certificate", shown_certificate(port), before)
    expect_equal("answer", kdig(port, "+tls", "+short", "www.shop.example", "A").stdout.strip(), "127.0.1.1")
    check = run([sluice.program("sluiced"), "--check", sluice.config_path])
    expect("sluice.toml:17:7: error: key: " in check.stderr, f"--check says {check.stderr}")


@test
def a_key_that_the_user_cannot_read_keeps_the_daemon_from_starting(sandbox):
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    os.chmod(sandbox.folder, 0o755)
    make_certificate(sandbox, "server", HOST)
    os.chmod(sandbox.path("server.key"), 0o600)
    sluice = Sluice(sandbox, server='user = "nobody"')
    sluice.write_config(tls_config(free_port()))
    result = run([sluice.program("sluiced"), "--config", sluice.config_path])
    expect_equal("exit code", result.returncode, 1)
    expect(": error: key: user 'nobody', which runs the daemon, cannot read " in result.stderr, result.stderr)


def open_connections(port, count):
    """Idle ones, from 127.1.x.y: 50 of each address."""
    connections = []
    for number in range(count):
        connection = socket.socket()
        address = number // 50
        connection.bind((f"127.1.{address // 250}.{address % 250 + 1}", 0))
        connection.connect(("127.0.0.1", port))
        connections.append(connection)
    return connections


def exchange(connection, wire):
    connection.settimeout(20)
    connection.sendall(struct.pack("!H", len(wire)) + wire)
    size = struct.unpack("!H", receive(connection, 2))[0]
    return receive(connection, size)


def receive(connection, size):
    octets = b""
    while len(octets) < size:
        more = connection.recv(size - len(octets))
        if not more:
            raise Failure("the connection ended")
        octets += more
    return octets


def resident_kib(sluice):
    return int(re.search(r"^VmRSS:\s+(\d+)", read(f"/proc/{sluice.process.popen.pid}/status"), re.MULTILINE)[1])


@test
def idle_connections_cost_little_and_give_way(sandbox):
    sluice = Sluice(sandbox)
    sluice.write_config('[tcp]\nconnections = 400\nidle = "10m"\n' + CONFIG)
    sluice.start()
    wire = question("www.shop.example", "A")
    first = open_connections(sluice.port, 1)[0]
    exchange(first, wire)
    before = resident_kib(sluice)
    idle = open_connections(sluice.port, 399)
    for connection in idle:
        exchange(connection, wire)
    each = (resident_kib(sluice) - before) / len(idle)
    sandbox.note(f"an idle connection costs {each:.1f} KiB of our memory")
    expect(each < 16, f"an idle connection costs {each:.1f} KiB")
    with socket.create_connection(("127.0.0.1", sluice.port)) as newest:
        expect(len(exchange(newest, wire)) > len(wire), "no answer on the connection beyond the limit")
        first.settimeout(20)
        expect_equal("what the longest idle connection reads", first.recv(1), b"")
    expect_equal("rcode over UDP", ask(sluice.port, "www.shop.example", "A").rcode(), 0)
    expect("tcp_connections_displaced_total 1" in sluice.ctl("metrics"), "it is not counted")


@test
def udp_goes_on_and_tcp_recovers_when_descriptors_run_out(sandbox):
    make_certificate(sandbox, "server", HOST)
    sluice, port = Sluice(sandbox), free_port()
    sluice.write_config(tls_config(port))
    sluice.start(preexec_fn=limit_descriptors)
    wire = question("www.shop.example", "A")
    crowds = open_connections(sluice.port, 500) + open_connections(port, 500)
    for _ in range(20):
        expect_equal("rcode over UDP", ask(sluice.port, "www.shop.example", "A").rcode(), 0)
    with socket.create_connection(("127.0.0.1", sluice.port)) as one_more:
        expect(len(exchange(one_more, wire)) > len(wire), "no answer over TCP")
    expect_equal("answer over TLS", kdig(port, "+tls", "+short", "www.shop.example", "A").stdout.strip(), "127.0.1.1")
    for connection in crowds:
        connection.close()
    expect_equal("rcode over TCP", ask(sluice.port, "www.shop.example", "A", transport="tcp").rcode(), 0)


def limit_descriptors():
    import resource  # pylint: disable=import-outside-toplevel  # in the child only
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

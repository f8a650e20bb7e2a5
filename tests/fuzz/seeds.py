#!/usr/bin/python3
"""Writes the inputs that fuzzing starts from: `seeds.py FOLDER` fills FOLDER/TARGET/.

They are the messages of the query cases, the zones and configs of the repository, and messages that have hurt DNS
software before. What fuzzing adds to them is kept, minimised, in corpus/.
"""

import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35,
         "DNAME": 39, "OPT": 41, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "SVCB": 64, "HTTPS": 65, "TSIG": 250, "IXFR": 251,
         "AXFR": 252, "MAILB": 253, "MAILA": 254, "ANY": 255, "CAA": 257}
UDP, TCP, TLS, COOKIES, LIMITED = (bytes([octet]) for octet in (0, 1, 2, 8, 16))  # see asker_of() in asking.hpp


def wire_name(text):
    labels = [label for label in text.encode().split(b".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def header(identity=0x1234, flags=0, counts=(1, 0, 0, 0)):
    return struct.pack(">6H", identity, flags, *counts)


def question(name, rr_type, rr_class=1):
    return (name if isinstance(name, bytes) else wire_name(name)) + struct.pack(">HH", rr_type, rr_class)


def record(name, rr_type, rr_class=1, ttl=0, rdata=b"", length=None):
    owner = name if isinstance(name, bytes) else wire_name(name)
    return owner + struct.pack(">HHIH", rr_type, rr_class, ttl, len(rdata) if length is None else length) + rdata


def opt(options=b"", size=1232, version=0, do=False, length=None):
    return record(b"\0", 41, size, version << 16 | (0x8000 if do else 0), options, length)


def option(code, data, length=None):
    return struct.pack(">HH", code, len(data) if length is None else length) + data


def subnet(family, source, scope, address):
    return option(8, struct.pack(">HBB", family, source, scope) + address)


def simple(name, rr_type, additional=b"", flags=0):
    return header(flags=flags, counts=(1, 0, 0, 1 if additional else 0)) + question(name, rr_type) + additional


def case_messages():
    """The messages of ../query/*.cases, as far as their options are about the message."""
    for file in sorted(os.listdir(f"{ROOT}/tests/query")):
        if not file.endswith(".cases"):
            continue
        with open(f"{ROOT}/tests/query/{file}", encoding="utf-8") as lines:
            for line in lines:
                words = line.split()
                if words[:1] == ["raw"]:
                    yield (TCP if "+tcp" in words else UDP) + bytes.fromhex("".join(w for w in words[1:] if w[0] != "+"))
                elif words[:1] == ["query"] and words[2].removeprefix("TYPE") and "\\" not in words[1]:
                    yield case_message(words[1], words[2], words[3:])


def case_message(name, rr_type, options):
    number = TYPES.get(rr_type) or int(re.sub(r"\D", "", rr_type) or 65280)
    sent = {o.lstrip("+").split("=")[0]: o.split("=")[-1] for o in options}
    size = int(sent["edns"]) if sent.get("edns", "+").isdigit() else 1232
    additional = b""
    if {"edns", "do", "version", "subnet"} & set(sent):
        additional = opt(subnet(1, 24, 0, b"\xc0\0\2") if "subnet" in sent else b"", size, int(sent.get("version", 0)), "do" in sent)
    return (TCP if "tcp" in sent else UDP) + simple(name, number, additional, 0x0100 if "rd" in sent else 0)


def world_messages():
    """Each name of world.cases, with a few types."""
    apex = ""
    with open(f"{HERE}/world.cases", encoding="utf-8") as lines:
        for line in lines:
            words = line.split() or ["#"]
            if words[0] == "zone":
                apex = words[1]
            elif words[0] not in ("#", "end", "pool", "steer", "$TTL", "$GENERATE") and "\\" not in words[0]:
                owner = apex if words[0] == "@" else f"{words[0]}.{apex}"
                for name in owner, "x.y." + owner.replace("*.", ""):
                    for rr_type in TYPES["A"], TYPES["ANY"], TYPES.get(words[1], 65280):
                        yield UDP + simple(name, rr_type)
                        yield b"\6" + simple(name, rr_type, opt(do=True))
    longest = wire_name("x" * 63 + "." + "y" * 63 + "." + "z" * 63 + "." + "w" * 45 + ".wild.example.")
    for first in 0, 8, 24, 56, 57:
        yield bytes([first]) + simple(longest, 16)
        yield bytes([first]) + simple(longest, 1, opt(option(3, b"") + option(10, bytes(8)), size=512))
    for name in "example.", "sub.example.", "second.test.", "giant.test.", "www.example.":
        for first in 1, 2, 24, 25, 57:
            yield bytes([first]) + simple(name, 252)
            yield bytes([first]) + header(counts=(1, 0, 1, 0)) + question(name, 251) + record(
                name, 6, rdata=wire_name("ns.") + wire_name("h.") + struct.pack(">5I", 5, 1, 1, 1, 1))
    for name in "www.example.", "app.example.", "z.app.example.", "many.example.", "saved.example.", "giant.test.", "big.example.":
        for rr_type in 1, 16, 28, 255:
            yield TCP + simple(name, rr_type)
            yield UDP + simple(name, rr_type, opt(size=4096))


def hostile_messages():
    name = wire_name("www.example.")
    question_a = question(name, 1)
    yield "empty", b""
    yield "header-only", header(counts=(0, 0, 0, 0))
    yield "header-cut", header()[:11]
    yield "counts-of-65535", header(counts=(65535,) * 4) + question_a
    yield "one-question-65535-additional", header(counts=(1, 0, 0, 65535)) + question_a + opt()
    yield "no-question-one-opt", header(counts=(0, 0, 0, 1)) + opt()
    yield "two-questions", header(counts=(2, 0, 0, 0)) + question_a * 2
    yield "response", header(flags=0x8000) + question_a
    for opcode in range(1, 16):
        yield f"opcode-{opcode}", header(flags=opcode << 11) + question_a
    yield "every-flag", header(flags=0x7FF0) + question_a
    # Compression pointers where a query has no use for them (RFC 1035, 4.1.4).
    yield "pointer-to-itself", header() + question(b"\xc0\x0c", 1)
    yield "pointer-forward", header() + question(b"\xc0\x20", 1) + name
    yield "pointer-into-header", header() + question(b"\x03www\xc0\x00", 1)
    yield "pointer-to-the-end", header() + question(b"\x03www\xff\xff", 1)
    yield "half-a-pointer", header() + b"\x03www\xc0"
    yield "pointer-ring", header(counts=(1, 0, 0, 1)) + question_a + record(b"\xc0\x1f\xc0\x1d", 1)
    yield "pointer-chain", header(counts=(1, 0, 0, 60)) + question_a + b"".join(
        record(struct.pack(">H", 0xC000 | 12 + 12 * i), 1) for i in range(60))
    yield "pointer-as-opt-owner", header(counts=(1, 0, 0, 1)) + question_a + record(b"\xc0\x1c", 41, 1232)
    yield "label-type-01", header() + question(b"\x41" + b"a" * 65 + b"\0", 1)
    yield "label-type-10", header() + question(b"\x80" + b"a" * 65 + b"\0", 1)
    yield "bit-label", header() + question(b"\x41\x08\xff\0", 1)
    for size in 253, 254, 255, 256, 257:
        labels = b"\1a" * ((size - 1) // 2 - 1) + (b"\1a" if size % 2 else b"\2bb") + b"\0"
        yield f"name-of-{len(labels)}-octets", header() + question(labels, 1)
    yield "longest-name-below-dname", header() + question(b"\x3f" + b"z" * 63 + b"\x3f" + b"y" * 63 + wire_name("long.example."), 1)
    yield "name-without-end", header() + b"\x3f" + b"a" * 63
    yield "label-past-the-end", header() + b"\x3fabc"
    yield "octets-of-all-kinds", header() + question(b"\x10" + bytes(range(16)) + wire_name("example."), 16)
    yield "dots-in-a-label", header() + question(b"\x0bwww.example\0", 1)
    yield "root", header() + question(b"\0", 2)
    yield "qtype-65535", header() + question(name, 65535)
    yield "qtype-0", header() + question(name, 0)
    yield "qclass-any", header() + question(name, 1, 255)
    yield "qclass-none", header() + question(name, 1, 254)
    yield "chaos-version", header() + question("version.bind.", 16, 3)
    yield "chaos-id", header() + question("id.server.", 16, 3)
    for name_of_type in "OPT", "TSIG", "IXFR", "AXFR", "MAILA", "MAILB":
        yield f"qtype-{name_of_type}", header() + question("example.", TYPES[name_of_type])
    yield "ixfr-with-soa", header(counts=(1, 0, 1, 0)) + question("example.", 251) + record(
        "example.", 6, rdata=wire_name("ns.example.") + wire_name("h.example.") + struct.pack(">5I", 6, 1, 1, 1, 1))
    yield "opt-twice", header(counts=(1, 0, 0, 2)) + question_a + opt() * 2
    yield "opt-in-answer", header(counts=(1, 1, 0, 0)) + question_a + opt()
    yield "opt-in-authority", header(counts=(1, 0, 1, 0)) + question_a + opt()
    yield "opt-after-others", header(counts=(1, 0, 0, 3)) + question_a + record(name, 1, rdata=b"\1\2\3\4") * 2 + opt()
    yield "opt-rdlength-over", header(counts=(1, 0, 0, 1)) + question_a + opt(b"\0\0\0\0", length=65535)
    yield "opt-rdlength-under", header(counts=(1, 0, 0, 1)) + question_a + opt(option(3, b"") * 2, length=5)
    yield "opt-cut", header(counts=(1, 0, 0, 1)) + question_a + opt()[:-1]
    yield "opt-sizes", header(counts=(1, 0, 0, 1)) + question_a + opt(size=0)
    yield "opt-version-255", header(counts=(1, 0, 0, 1)) + question_a + opt(b"\1", version=255)
    yield "trailing-octet", header() + question_a + b"\0"
    yield "trailing-message", header() + question_a + header() + question_a
    yield "question-cut", header() + question_a[:-1]
    yield "full-of-records", header(counts=(1, 0, 0, 200)) + question_a + record(b"\0", 65280) * 200
    tsig_rdata = wire_name("hmac-sha256.") + struct.pack(">HIHH", 0, 0x60000000, 300, 32) + bytes(32) + struct.pack(">HHH", 0x1234, 0, 0)
    yield "tsig-unknown-key", simple("example.", 6, record("key.example.", 250, 255, 0, tsig_rdata))
    yield "tsig-not-last", header(counts=(1, 0, 0, 2)) + question_a + record("key.", 250, 255, 0, tsig_rdata) + opt()
    yield "tsig-cut", simple("example.", 6, record("key.example.", 250, 255, 0, tsig_rdata[:20]))
    yield "tsig-mac-over", simple("example.", 6, record("key.example.", 250, 255, 0, tsig_rdata.replace(b"\0\x20", b"\xff\xff")))
    yield "sig0", simple("example.", 6, record("example.", 24, 255, 0, bytes(40)))
    yield "notify", header(flags=0x2400) + question("example.", 6)
    yield "update", header(flags=0x2800, counts=(1, 1, 1, 1)) + question("example.", 6) + record("a.example.", 1) * 3


def hostile_options():
    for size in (0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 41, 255):
        yield f"cookie-of-{size}", option(10, bytes(range(size)) if size < 256 else bytes(size))
    yield "cookie-server-version-1", option(10, bytes(range(8)) + b"\1\0\0\0" + struct.pack(">I", 0x6A000000) + bytes(8))
    yield "cookie-twice", option(10, bytes(8)) * 2
    for family, source, scope, address in ((1, 24, 0, b"\xc0\0\2"), (1, 0, 0, b""), (1, 32, 0, b"\xc0\0\2\1"), (1, 33, 0, bytes(5)),
                                           (1, 24, 24, b"\xc0\0\2"), (1, 24, 0, b"\xc0\0\2\0"), (1, 23, 0, b"\xc0\0\3"),
                                           (1, 24, 0, b"\xc0\0"), (2, 56, 0, bytes(7)), (2, 128, 0, bytes(16)), (2, 129, 0, bytes(17)),
                                           (0, 0, 0, b""), (0, 8, 0, b"\1"), (3, 0, 0, b""), (65535, 255, 255, bytes(32))):
        yield f"subnet-{family}-{source}-{scope}-{len(address)}", subnet(family, source, scope, address)
    yield "subnet-twice", subnet(1, 24, 0, b"\xc0\0\2") * 2
    yield "subnet-cut", option(8, b"\0\1\x18")
    yield "nsid", option(3, b"")
    yield "nsid-with-data", option(3, b"abc")
    yield "keepalive", option(11, b"")
    yield "keepalive-with-time", option(11, b"\0\x64")
    yield "keepalive-of-1", option(11, b"\0")
    yield "padding", option(12, bytes(100))
    yield "padding-empty", option(12, b"")
    yield "chain", option(13, wire_name("example."))
    yield "error-from-client", option(15, b"\0\x12text")
    yield "expire", option(9, b"")
    yield "unknown", option(65001, b"abc")
    yield "length-over", option(10, bytes(8), 65535)
    yield "length-under", option(10, bytes(8), 3)
    yield "half-an-option", b"\0\x0a\0"
    yield "all-at-once", option(3, b"") + option(10, bytes(8)) + option(11, b"") + option(12, bytes(9)) + subnet(1, 24, 0, b"\xc0\0\2")
    yield "many-empty", option(65001, b"") * 100


def signed():
    def tsig(key=wire_name("key.example."), algorithm="hmac-sha256.", time=0x60000000, mac=bytes(32), original=0x1234, error=0, other=b"",
             rr_class=255, ttl=0):
        rdata = wire_name(algorithm) + struct.pack(">HIHH", 0, time, 300, len(mac)) + mac + struct.pack(">HHH", original, error, len(other))
        return record(key, 250, rr_class, ttl, rdata + other)

    for name, signature in (("bad-mac", tsig()), ("unknown-key", tsig(wire_name("other."))), ("short-mac", tsig(mac=bytes(16))),
                            ("shorter-mac", tsig(mac=bytes(9))), ("no-mac", tsig(mac=b"")), ("long-mac", tsig(mac=bytes(65))),
                            ("old", tsig(time=0)), ("sha512", tsig(b"\1k\0", "hmac-sha512.", mac=bytes(64))),
                            ("wrong-algorithm", tsig(algorithm="hmac-sha1.")), ("unknown-algorithm", tsig(algorithm="x.")),
                            ("error", tsig(error=18, other=bytes(6))), ("other-over", tsig()[:-1] + b"\7"), ("class-in", tsig(rr_class=1)),
                            ("ttl", tsig(ttl=1)), ("compressed-key", tsig(b"\xc0\x0c")), ("upper-case", tsig(wire_name("KEY.eXample.")))):
        yield name, b"\0\0\0\0" + simple("example.", 252, signature)
        yield f"{name}-with-opt", b"\0\0\0\0" + header(counts=(1, 0, 0, 2)) + question("example.", 6) + opt() + signature
    yield "round-trip", b"\1\0\0\1" + simple("example.", 252)
    yield "round-trip-opt", b"\1\0\x10\x80" + simple("example.", 252, opt())


def framing():
    message = simple("www.example.", 1)
    framed = struct.pack(">H", len(message)) + message
    yield "one", b"\0\1" + framed
    yield "twenty", b"\3\7" + framed * 20
    yield "empty-messages", b"\0\2" + b"\0\0" * 20 + framed
    yield "cut", b"\1\1" + framed * 2 + framed[:9]
    yield "half-a-length", b"\0\0" + framed + b"\0"
    yield "large", b"\7\7" + struct.pack(">H", 9000) + bytes(9000) + framed
    yield "promises-64-kib", b"\2\2" + framed + b"\xff\xff" + bytes(300)


def zone_texts():
    head = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
    for folder in "zones", "tests/query", "tests/fuzz":
        for file in sorted(os.listdir(f"{ROOT}/{folder}")):
            if not file.endswith((".zone", ".cases")):
                continue
            with open(f"{ROOT}/{folder}/{file}", encoding="utf-8", errors="ignore") as stream:
                if file.endswith(".zone"):
                    yield file, stream.read()
                else:
                    for i, zone in enumerate(re.findall(r"^zone .*?\n(.*?)^end$", stream.read(), re.M | re.S)):
                        yield f"{file}-{i}", re.sub(r"\$GENERATE 1-\d+", "$GENERATE 1-3", zone)
    with open(f"{ROOT}/tests/unit/zone/mutation_test.cpp", encoding="utf-8") as stream:
        yield "every-type", "".join(re.findall(r'^ +"(.*)\\n"[;]?$', stream.read(), re.M)).replace("\\n", "\n").replace('\\"', '"')
    yield "generate-much", head + "$GENERATE 1-100000/1 a$ A 192.0.2.1\n"
    yield "generate-nibbles", head + "$GENERATE 0-255 ${0,15,n}.x PTR a${-300,255,X}\n"
    yield "raw-mx-cut", head + "a TYPE15 \\# 1 00\n"
    yield "raw-soa-cut", head + "a TYPE6 \\# 3 000000\n"
    yield "raw-ns-pointer", head + "a TYPE2 \\# 2 c00c\n"
    yield "raw-cname-long", head + "a TYPE5 \\# 3 3f6100\n"
    yield "raw-srv", head + "a TYPE33 \\# 7 00000000000000\n"
    yield "raw-empty", head + "a TYPE16 \\# 0\n"
    yield "svcb-forms", head + "a SVCB 1 . mandatory=alpn,port alpn=\"a\\\\,b\" port=1 ech=\"AAAA\" key65535=x no-default-alpn\n"
    yield "long-name", head + ("a." * 125) + "b A 192.0.2.1\n"
    yield "escapes", head + "\\000\\255\\.a\\\\ TXT \"\\000\\\"\" \\;x\n"
    yield "parentheses", head + "a ( ; x\n TXT ( \"a\n"
    yield "include", head + "$INCLUDE fuzz.zone\n$INCLUDE /\n$ORIGIN x\n$ORIGIN .\n"
    yield "big-rrset", head + "".join(f"a TXT {i}{'x' * 200}\n" for i in range(20))


def config_texts():
    for folder, _, files in os.walk(f"{ROOT}/zones"):
        for file in files:
            if file.endswith(".toml"):
                with open(f"{folder}/{file}", encoding="utf-8") as stream:
                    yield file, stream.read()
    for path in "tests/unit/config/mutation_test.cpp", "tests/unit/config/config_test.cpp", "tests/unit/config/errors_test.cpp":
        with open(f"{ROOT}/{path}", encoding="utf-8") as stream:
            for i, text in enumerate(re.findall(r'R"\((.*?)\)"', stream.read(), re.S)):
                yield f"{os.path.basename(path)}-{i}", text
    yield "deep", "a = " + "[" * 300
    yield "deep-tables", "[" + "a." * 300 + "b]\n"
    yield "huge-number", "[server]\nworkers = 99999999999999999999\nlisten = 1e999\n"


def words():
    for i, text in enumerate(("www.example.", "\\000\\255\\.a", ".", "a" * 63 + ".b", "*." + "a." * 120)):
        yield f"name-{i}", b"\0" + text.encode()
    for i, octets in enumerate((wire_name("www.example."), b"\0", b"\x3f" + b"a" * 63 + b"\0", b"\xc0\x0c")):
        yield f"octets-{i}", b"\1" + octets
    for i, text in enumerate(("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "::", "1.2.3.4.5", "fe80::1%eth0")):
        yield f"address-{i}", b"\2" + text.encode()
    for i, text in enumerate(("192.0.2.1:53", "[2001:db8::1]:53", "[::]:0", "::1:53", "192.0.2.1:65536")):
        yield f"socket-{i}", b"\3" + text.encode()
    for i, text in enumerate(("250ms", "1.5m", "2d", "1e9s", "999999999999d", "-1s", ".s", "0.0001ms")):
        yield f"duration-{i}", b"\4" + text.encode()
    for i, text in enumerate(("1h30m", "2W", "4294967296", "1-10/2", "a${0,3,d}b$$", "${-1,255,n}")):
        yield f"period-{i}", b"\5" + text.encode()
    for name, text in zone_texts():
        if len(text) < 2000:
            for i, line in enumerate(line for line in text.splitlines() if line.split()[1:]):
                yield f"words-{name}-{i}", b"\6" + " ".join(line.split()[1:]).encode()


def requests():
    for i, target in enumerate(("/v1/status", "/v1/status?name=www.shop.example", "/v1/openapi.json", "/metrics", "/v1/events?limit=10",
                                "http://host/v1/version", "/v1/%73tatus", "//", "*", "/v1/status?a=%zz", "/v1/../v1/status", "")):
        for method in 0, 3, 4, 8:
            yield f"get-{i}-{method}", bytes([method]) + target.encode()
    for i, (target, body) in enumerate((("/v1/steer/www.shop.example/weights", '{"weights": {"v1": 95, "v2": 5}, "dry_run": true}'),
                                        ("/v1/steer/a%2Fb/weights?dry_run=true", '{"weights": {"v1": 1e308}}'),
                                        ("/v1/endpoint/192.0.2.10/drain", '{"for": "10m", "reason": "x"}'),
                                        ("/v1/endpoint/192.0.2.10/down", '{"reason": "\\u0000\\ud800"}'),
                                        ("/v1/reload", "[" * 100), ("/v1/reload", '{"a": 1} x'), ("/v1/reload", '{"dry_run": 1}'))):
        for method in 1, 2, 9:
            yield f"put-{i}-{method}", bytes([method]) + target.encode() + b"\n" + body.encode()


def write(folder, target, inputs):
    os.makedirs(f"{folder}/{target}", exist_ok=True)
    for name, data in inputs:
        with open(f"{folder}/{target}/{name.replace('/', '-')}", "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())


def main(folder):
    write(folder, "packet", ((f"hostile-{name}", UDP + message) for name, message in hostile_messages()))
    write(folder, "packet", ((f"case-{i}", message) for i, message in enumerate(case_messages())))
    write(folder, "packet", ((f"world-{i}", message) for i, message in enumerate(world_messages())))
    write(folder, "edns", ((name, b"\0" + bytes([i % 64]) + b"\x04\xd0\0\1" + options)
                           for i, (name, options) in enumerate(hostile_options())))
    write(folder, "edns", ((f"{name}-{first[0]}-{flags}", first + bytes([i % 64]) + b"\x04\xd0\0" + bytes([flags]) + options)
                           for i, (name, options) in enumerate(hostile_options()) for first in (TLS, COOKIES, LIMITED) for flags in (0, 2)))
    write(folder, "tsig", signed())
    write(folder, "framing", framing())
    write(folder, "zone_text", zone_texts())
    write(folder, "config_text", config_texts())
    write(folder, "texts", words())
    write(folder, "route", requests())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

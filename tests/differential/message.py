"""DNS messages as bytes: writing queries, and taking replies apart into what can be compared.

Names are kept in wire form. In records they are in lower case and without compression, because servers may differ in both
(RFC 1034, 3.1: case is for show); `Reply.problems` says what is wrong with a reply taken alone.
"""

import struct

NAMES = {  # the types that matter by name here
    "A": 1, "NS": 2, "MD": 3, "MF": 4, "CNAME": 5, "SOA": 6, "MB": 7, "MG": 8, "MR": 9, "NULL": 10, "WKS": 11, "PTR": 12,
    "HINFO": 13, "MINFO": 14, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "RT": 21, "SIG": 24, "KEY": 25, "PX": 26,
    "AAAA": 28, "LOC": 29, "NXT": 30, "SRV": 33, "NAPTR": 35, "KX": 36, "CERT": 37, "DNAME": 39, "OPT": 41, "DS": 43,
    "SSHFP": 44, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "CDS": 59, "SVCB": 64,
    "HTTPS": 65, "SPF": 99, "LP": 107, "TSIG": 250, "IXFR": 251, "AXFR": 252, "MAILB": 253, "MAILA": 254, "ANY": 255,
    "URI": 256, "CAA": 257,
}
NUMBERS = {number: name for name, number in NAMES.items()}

# Where names stand in rdata: octets before them, and how many there are. Others keep their octets, case and all.
NAMES_IN_RDATA = {
    2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1), 9: (0, 1), 12: (0, 1), 14: (0, 2), 15: (2, 1),
    17: (0, 2), 18: (2, 1), 21: (2, 1), 24: (18, 1), 26: (2, 2), 30: (0, 1), 33: (6, 1), 36: (2, 1), 39: (0, 1), 46: (18, 1),
    47: (0, 1), 64: (2, 1), 65: (2, 1), 107: (2, 1),
}
# RFC 3597, 4: a pointer may stand only in the rdata of types that RFC 1035 defines.
COMPRESSIBLE = {2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15}


SHOWN = 6  # records of a section, of a reply that is not as expected


def type_text(number):
    return NUMBERS.get(number, f"TYPE{number}")


def labels(name):
    """The labels of a name in wire form, without the root's."""
    found, at = [], 0
    while name[at]:
        found.append(name[at + 1:at + 1 + name[at]])
        at += 1 + name[at]
    return found


def join(parts):
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def name_text(name):
    shown = ""
    for label in labels(name):
        for octet in label:
            shown += chr(octet) if 33 <= octet < 127 and octet not in b'.;"\\()@$' else f"\\{octet:03}"
        shown += "."
    return shown or "."


def from_text(text):
    """The wire form of an absolute name without escapes."""
    return join(part.encode() for part in text.strip(".").split(".")) if text.strip(".") else b"\0"


class Query:
    """One question and how it is asked."""

    __slots__ = ("world", "zone", "name", "type", "rr_class", "flags", "tcp", "edns", "id")

    def __init__(self, world, zone, name, rr_type, rr_class, flags, tcp, edns):
        self.world, self.zone, self.name, self.type, self.rr_class = world, zone, name, rr_type, rr_class
        self.flags, self.tcp = flags, tcp
        self.edns = edns  # None, or (size, version, flags, options as bytes)
        self.id = 0

    def wire(self):
        head = struct.pack("!6H", self.id, self.flags, 1, 0, 0, 0 if self.edns is None else 1)
        body = head + self.name + struct.pack("!HH", self.type, self.rr_class)
        if self.edns is None:
            return body
        size, version, flags, options = self.edns
        return body + struct.pack("!BHHBBHH", 0, 41, size, 0, version, flags, len(options)) + options

    def limit(self):
        """The largest reply, in octets, that may come."""
        return 65535 if self.tcp else 512 if self.edns is None else max(512, min(self.edns[0], 1232))

    def __str__(self):
        shown = f"{name_text(self.name)} {type_text(self.type)}"
        shown += "" if self.rr_class == 1 else f" class {self.rr_class}"
        shown += " +tcp" if self.tcp else ""
        shown += " +rd" if self.flags & 0x100 else ""
        shown += " +cd" if self.flags & 0x10 else ""
        shown += " +ad" if self.flags & 0x20 else ""
        if self.edns is not None:
            size, version, flags, options = self.edns
            shown += f" +edns={size}" + (f" +version={version}" if version else "") + (" +do" if flags & 0x8000 else "")
            shown += f" +options={options.hex()}" if options else ""
        return shown + f"  (zone {self.zone})"


class Malformed(Exception):
    pass


class Reply:
    """A reply taken apart. Records are (owner, type, class, ttl, rdata)."""

    def __init__(self, data, query):
        self.data, self.query = data, query
        self.problems = []
        self._names = {}
        try:
            self._parse()
        except (IndexError, struct.error, Malformed) as error:
            self.problems.append(f"cannot be parsed: {error}")
            raise Malformed(f"{query}: {error}: {data.hex()}") from None

    def _parse(self):
        data = self.data
        self.id, flags, questions, *counts = struct.unpack_from("!6H", data)
        self.flags = {"qr": flags >> 15, "opcode": flags >> 11 & 15, "aa": flags >> 10 & 1, "tc": flags >> 9 & 1,
                      "rd": flags >> 8 & 1, "ra": flags >> 7 & 1, "z": flags >> 6 & 1, "ad": flags >> 5 & 1, "cd": flags >> 4 & 1}
        self.rcode = flags & 15
        at = 12
        for _ in range(questions):
            at = self._name(at)[1] + 4
        self.question = data[12:at]
        self.opt = self.options = None
        self.answer, at = self._section(at, counts[0])
        self.authority, at = self._section(at, counts[1])
        self.additional, at = self._section(at, counts[2])
        if at != len(data):
            self.problems.append(f"{len(data) - at} octets after the last record")

    def _section(self, at, count):
        records = []
        for _ in range(count):
            owner, at = self._name(at)
            rr_type, rr_class, ttl, length = struct.unpack_from("!HHIH", self.data, at)
            at += 10
            end = at + length
            if end > len(self.data):
                raise Malformed("rdata longer than the message")
            if rr_type == 41:
                self._read_opt(rr_class, ttl, self.data[at:end])
            else:
                records.append((owner, rr_type, rr_class, ttl, self._rdata(rr_type, at, end)))
            at = end
        return records, at

    def _read_opt(self, size, ttl, options):
        if self.opt is not None:
            self.problems.append("two OPT records")
        self.rcode |= ttl >> 24 << 4
        self.opt = (size, ttl >> 16 & 0xFF, ttl & 0xFFFF)
        found, at = [], 0
        while at < len(options):
            code, length = struct.unpack_from("!HH", options, at)
            found.append((code, options[at + 4:at + 4 + length]))
            at += 4 + length
        self.options = found

    def _rdata(self, rr_type, at, end):
        before, names = NAMES_IN_RDATA.get(rr_type, (0, 0))
        if not names or end - at < before:
            return self.data[at:end]
        parts = [self.data[at:at + before]]
        at += before
        for _ in range(names):
            if at >= end:
                break
            start = at
            name, at = self._name(at)
            if rr_type not in COMPRESSIBLE and self.data[start:at].lower() != name:
                self.problems.append(f"compressed name in the rdata of {type_text(rr_type)} (RFC 3597, 4)")
            parts.append(name)
        parts.append(self.data[at:end])
        return b"".join(parts)

    def _name(self, at):
        """(the name in lower case, where what follows begins)"""
        if at in self._names:
            return self._names[at]
        data, start, parts, end, lowest = self.data, at, [], None, at
        while True:
            length = data[at]
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | data[at + 1]
                end = at + 2 if end is None else end
                if target >= lowest:
                    raise Malformed("a pointer that does not go back")
                at = lowest = target
                continue
            if length > 63:
                raise Malformed("a label of a reserved kind")
            parts.append(data[at:at + 1 + length])
            at += 1 + length
            if length == 0:
                break
        name = b"".join(parts).lower()  # no octet of a length is a letter: 63 is the largest
        if len(name) > 255:
            raise Malformed("a name of more than 255 octets")
        self._names[start] = name, at if end is None else end
        return self._names[start]

    def text(self):
        set_flags = " ".join(name for name, value in self.flags.items() if value)
        lines = [f"    rcode {self.rcode} flags {set_flags} opt {self.opt} options {self.options} size {len(self.data)}"]
        for section in ("answer", "authority", "additional"):
            for owner, rr_type, rr_class, ttl, rdata in getattr(self, section)[:SHOWN]:
                shown = rdata.hex()[:80]
                if rr_type in NAMES_IN_RDATA and NAMES_IN_RDATA[rr_type] == (0, 1):
                    shown = name_text(rdata)
                lines.append(f"      {section} {name_text(owner)} {ttl} {type_text(rr_type)} {shown}")
            if len(getattr(self, section)) > SHOWN:
                lines.append(f"      {section} ... {len(getattr(self, section))} records")
        return "\n".join(lines)

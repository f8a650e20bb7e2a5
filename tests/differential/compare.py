"""What two replies differ in, and which differences are choices.

choices.toml holds them: each names the peers it is about, the fields that may differ, a condition over the query and the
replies, and the reason. A difference is explained when each of its fields is covered by a choice whose condition holds.
"""

import tomllib

import message
from message import labels, type_text

FIELDS = ("rcode", "aa", "tc", "rd", "ra", "z", "ad", "cd", "opcode", "question", "answer", "authority", "additional", "opt", "options")


def rrsets(records):
    """[(owner, type, class, ttl, rdatas)] in the order in which they begin; a TTL that differs within is a RRset of its own."""
    found = {}
    for owner, rr_type, rr_class, ttl, rdata in records:
        found.setdefault((owner, rr_type, rr_class, ttl), set()).add(rdata)
    return [key + (frozenset(rdatas),) for key, rdatas in found.items()]


def differences(ours, theirs):
    """The names of the fields that differ; `answer.ttl` and the like when nothing but TTLs does."""
    found = set()
    for name in FIELDS:
        if name in ("answer", "authority", "additional"):
            a, b = getattr(ours, name), getattr(theirs, name)
            if a == b:
                continue
            if name == "answer":
                a, b = rrsets(a), rrsets(b)  # in the order of the chain
            else:
                a, b = set(a), set(b)
            if a == b:
                continue
            without = [sorted((owner, rr_type, rr_class, rdata) for owner, rr_type, rr_class, _, rdata in getattr(reply, name))
                       for reply in (ours, theirs)]
            found.add(f"{name}.ttl" if without[0] == without[1] else name)
        elif name in ("rcode", "question", "opt", "options"):
            if getattr(ours, name) != getattr(theirs, name):
                found.add(name)
        elif ours.flags[name] != theirs.flags[name]:
            found.add(name)
    return found


def check_alone(reply):
    """What is wrong with one of our replies, whatever others say."""
    query, problems = reply.query, list(reply.problems)
    if len(reply.data) > query.limit():
        problems.append(f"{len(reply.data)} octets, {query.limit()} are the most")
    if reply.question and reply.question != query.wire()[12:12 + len(reply.question)]:
        problems.append("not the question that was asked, octet for octet")
    for section in ("answer", "authority", "additional"):
        records = getattr(reply, section)
        if len(set(records)) != len(records):
            problems.append(f"a record twice in the {section} section")
        ttls = {}
        for owner, rr_type, _, ttl, _ in records:
            if ttls.setdefault((owner, rr_type), ttl) != ttl:
                problems.append(f"two TTLs in one RRset of the {section} section (RFC 2181, 5.2)")
    if (reply.opt is None) != (query.edns is None):
        problems.append("OPT in one of query and reply only (RFC 6891, 6.1.1)")
    return problems


class Choice:
    def __init__(self, row):
        self.name, self.peers, self.fields = row["name"], row["peers"], set(row["fields"])
        self.reason = row["reason"]
        self.when = compile(row["when"].strip(), f"choices.toml: {self.name}", "eval")
        self.count = 0

    def holds(self, known):
        # pylint: disable=eval-used  # the expressions are part of this repository
        return bool(eval(self.when, ENVIRONMENT, known))


class Choices:
    def __init__(self, path):
        with open(path, "rb") as text:
            self.rows = [Choice(row) for row in tomllib.load(text)["choice"]]

    def explain(self, peer, known, fields):
        """(the choices that explain it, what is left)"""
        used, left = [], set(fields)
        for choice in self.rows:
            covered = {field for field in left if field.removesuffix(".ttl") in choice.fields}
            if peer in choice.peers and covered and choice.holds(known):
                used.append(choice)
                left -= covered
        return used, left


def same(a, b, *ignored):
    """Whether two replies are alike but for the fields named."""
    return b is not None and not differences(a, b) - set(ignored)


def without_errors(options):
    """The EDNS options but for extended errors (RFC 8914)."""
    return [option for option in options or [] if option[0] != 15]


def nested(name, zones):
    """Whether more than one of the zones is at or above the name."""
    parts = labels(name.lower())
    return sum(message.join(parts[at:]) in zones for at in range(len(parts) + 1)) > 1


def types_of(records):
    return {type_text(record[1]) for record in records}


def zone_of(name, zones):
    """The apex of the zone that holds the name; None for a stranger's."""
    parts = labels(name)
    return next((apex for at in range(len(parts) + 1) if (apex := message.join(parts[at:])) in zones), None)


def targets(reply):
    """Where the chain in a reply leads, link by link."""
    return [record[4] for record in reply.answer if record[1] == message.NAMES["CNAME"]]


def leaves_zone(reply, zones):
    """Whether a chain in the answer goes from one zone to another."""
    start = zone_of(reply.query.name.lower(), zones)
    return any(zone_of(target, zones) != start for target in targets(reply))


ENVIRONMENT = {"len": len, "set": set, "any": any, "all": all, "min": min, "max": max, "same": same, "types_of": types_of, "rrsets": rrsets,
               "T": message.NAMES, "zone_of": zone_of, "labels": labels, "targets": targets, "leaves_zone": leaves_zone,
               "nested": nested, "without_errors": without_errors}

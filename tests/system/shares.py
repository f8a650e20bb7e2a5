"""Weights become shares of answers; sticky clients keep their pool."""

import collections

from harness import Sluice, expect, expect_equal, test
from queries import Asker, addresses, ask, ask_many, question

# Without checks, so that the addresses need no servers: what is counted here are answers.
CONFIG = """
[pool.v1]
endpoints = ["127.0.1.1", "127.0.1.2", "2001:db8:1::1", "2001:db8:1::2"]
[pool.v2]
endpoints = ["127.0.2.1", "2001:db8:2::1"]
[steer."www.shop.example"]
pools = { v1 = 90, v2 = 10 }
[steer."app.shop.example"]
pools = { v1 = 50, v2 = 50 }
method = "sticky"
[steer."ramp.shop.example"]
pools = { v1 = 100, v2 = 0 }
method = "sticky"
[steer."both.shop.example"]
pools = { v1 = 1 }
answers = 2
"""
QUERIES = 20_000
CLIENTS = 10_000
RAMP = (1, 5, 25, 50, 100)


def pool_of(address):
    """127.0.2.1 and 2001:db8:2::1 belong to v2."""
    return "v2" if address.startswith(("127.0.2.", "2001:db8:2:")) else "v1"


def start(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    return sluice


def share_of_v2(replies):
    pools = collections.Counter(pool_of(address) for reply in replies for address in addresses(reply))
    return 100 * pools["v2"] / sum(pools.values())


@test
def shares_are_within_one_point_of_the_weights(sandbox):
    # By chance alone a share of 10 % over 20,000 questions misses by 0.2 points (one standard deviation).
    sluice = start(sandbox)
    for rdtype in ("A", "AAAA"):
        share = share_of_v2(ask_many(sluice.port, [question("www.shop.example", rdtype)] * QUERIES))
        sandbox.note(f"{QUERIES} {rdtype} queries at weights 90/10: v2 has {share:.2f} %")
        expect(abs(share - 10) <= 1, f"{rdtype}: v2 has {share:.2f} % instead of 10 %")


@test
def endpoints_of_a_pool_share_alike(sandbox):
    sluice = start(sandbox)
    replies = ask_many(sluice.port, [question("www.shop.example", "A")] * QUERIES)
    counts = collections.Counter(address for reply in replies for address in addresses(reply))
    share = 100 * counts["127.0.1.1"] / (counts["127.0.1.1"] + counts["127.0.1.2"])
    expect(abs(share - 50) <= 2, f"127.0.1.1 has {share:.1f} % of v1's answers")


@test
def a_and_aaaa_of_a_client_come_from_one_pool(sandbox):
    sluice = start(sandbox)
    for name in ("www.shop.example", "app.shop.example"):
        with Asker(sluice.port) as client:
            for number in range(1000):
                v4 = client.addresses(question(name, "A"))
                v6 = client.addresses(question(name, "AAAA"))
                expect_equal(f"pool of the AAAA of {name}, pair {number}", pool_of(v6[0]), pool_of(v4[0]))


@test
def answers_two_addresses_when_asked_for(sandbox):
    sluice = start(sandbox)
    for rdtype, wanted in (("A", {"127.0.1.1", "127.0.1.2"}), ("AAAA", {"2001:db8:1::1", "2001:db8:1::2"})):
        for reply in ask_many(sluice.port, [question("both.shop.example", rdtype)] * 100):
            expect_equal(f"addresses of {rdtype}", set(addresses(reply)), wanted)


@test
def a_sticky_client_keeps_its_pool(sandbox):
    sluice = start(sandbox)
    questions = [question("app.shop.example", rdtype) for rdtype in ("A", "AAAA")] * 500
    pools = {pool_of(address) for reply in ask_many(sluice.port, questions) for address in addresses(reply)}
    sandbox.note(f"{len(questions)} queries of one client: {pools}")
    expect_equal("number of pools that one client saw", len(pools), 1)
    for subnet in (("10.1.2.0", 24), ("10.77.0.0", 24), ("172.16.5.0", 24)):
        questions = [question("app.shop.example", rdtype, subnet) for rdtype in ("A", "AAAA")] * 100
        pools = {pool_of(address) for reply in ask_many(sluice.port, questions) for address in addresses(reply)}
        expect_equal(f"number of pools that {subnet} saw", len(pools), 1)


@test
def the_scope_of_a_client_subnet_is_stated(sandbox):
    import dns.edns  # pylint: disable=import-outside-toplevel  # only this test needs its options
    sluice = start(sandbox)
    for name, scope in (("app.shop.example", 24), ("mail.shop.example", 0)):
        option = dns.edns.ECSOption("10.1.2.3", 32)
        reply = ask(sluice.port, name, "A", use_edns=0, options=[option])
        echoed = [answer for answer in reply.options if isinstance(answer, dns.edns.ECSOption)]
        expect_equal(f"options in the reply for {name}", len(echoed), 1)
        got = (echoed[0].address, echoed[0].srclen, echoed[0].scopelen)
        expect_equal(f"address, source and scope for {name}", got, ("10.1.2.3", 32, scope))


def ramp_questions():
    """One a client: each has a /24 of its own."""
    networks = [(f"10.{number >> 8}.{number & 255}.0", 24) for number in range(CLIENTS)]
    return [question("ramp.shop.example", "A", network) for network in networks]


@test
def no_client_moves_back_during_a_ramp(sandbox):
    sluice = start(sandbox)
    questions = ramp_questions()
    moved = set()
    for percent in RAMP:
        sluice.ctl("weight", "set", "ramp.shop.example", f"v1={100 - percent}", f"v2={percent}")
        replies = ask_many(sluice.port, questions)
        on_v2 = {client for client, reply in enumerate(replies) if pool_of(addresses(reply)[0]) == "v2"}
        back = len(moved - on_v2)
        sandbox.note(f"{percent} %: {100 * len(on_v2) / CLIENTS:.2f} % of {CLIENTS} clients on v2, {back} moved back")
        expect_equal(f"clients that moved back at {percent} %", back, 0)
        # 10,000 hashes miss 50 % by half a point (one standard deviation).
        expect(abs(100 * len(on_v2) / CLIENTS - percent) <= 2.5, f"{len(on_v2)} of {CLIENTS} clients at {percent} %")
        moved = on_v2

"""What `weight set` promises: in effect when it returns, refused without effect, and undone by `weight reset`."""

import multiprocessing
import time

from harness import Sluice, expect, expect_equal, poll, test
from queries import Asker, ask_many, addresses, question
from shares import CONFIG, pool_of, share_of_v2, start

CLIENTS = 2      # processes that ask as fast as they can
FLIPS = 20
QUERIES_BETWEEN = 500  # of each client, between one flip and the next


def ask_until_told(port, stop, sent, results):
    """One client at full speed. Sends (when the question was sent, when its answer came, whether that was v2) when it ends."""
    wire = question("www.shop.example", "A")
    seen = []
    with Asker(port) as asker:
        while not stop.value:
            at = time.monotonic_ns()  # one clock for all processes of the machine
            reply = asker.exchange(wire)
            seen.append((at, time.monotonic_ns(), pool_of(addresses(reply)[0]) == "v2"))
            sent.value += 1
    results.send(seen)


class Clients:
    """Processes that ask until `finish`."""

    def __init__(self, port):
        # Plain shared memory: semaphores would need a /dev/shm, which a bare root may not have.
        self.stop = multiprocessing.RawValue("b", 0)
        self.sent = [multiprocessing.RawValue("q", 0) for _ in range(CLIENTS)]
        self.pipes = [multiprocessing.Pipe(duplex=False) for _ in range(CLIENTS)]
        self.processes = [
            multiprocessing.Process(target=ask_until_told, args=(port, self.stop, sent, pipe[1]), daemon=True)
            for sent, pipe in zip(self.sent, self.pipes)]
        for process in self.processes:
            process.start()

    def wait_for_queries(self, number):
        """Until each client has asked this often from now on."""
        wanted = [sent.value + number for sent in self.sent]
        poll("queries of all clients", lambda: all(sent.value >= want for sent, want in zip(self.sent, wanted)))

    def finish(self):
        self.stop.value = 1
        seen = [entry for pipe in self.pipes for entry in pipe[0].recv()]
        for process in self.processes:
            process.join()
        return seen


def flip(sluice, to_v2):
    """(when the command was given, when it had returned)"""
    given = time.monotonic_ns()
    sluice.ctl("weight", "set", "www.shop.example", f"v1={0 if to_v2 else 1}", f"v2={1 if to_v2 else 0}")
    return given, time.monotonic_ns()


@test
def no_query_sent_after_weight_set_gets_an_old_answer(sandbox):
    sluice = start(sandbox)
    clients = Clients(sluice.port)
    clients.wait_for_queries(QUERIES_BETWEEN)
    flips = []
    for number in range(FLIPS):
        flips.append(flip(sluice, number % 2 == 0))
        clients.wait_for_queries(QUERIES_BETWEEN)
    end = time.monotonic_ns()
    seen = clients.finish()
    checked = 0
    for number, (_, returned) in enumerate(flips):
        next_given = flips[number + 1][0] if number + 1 < FLIPS else end
        answers = [on_v2 for at, answered, on_v2 in seen if returned <= at and answered < next_given]
        old = answers.count(number % 2 != 0)
        expect_equal(f"old answers to queries sent after change {number} had returned", old, 0)
        checked += len(answers)
    expect(checked >= FLIPS * QUERIES_BETWEEN, f"only {checked} queries fell between the changes: the test shows nothing")
    sandbox.note(f"{FLIPS} changes with {CLIENTS} clients at full speed: {checked} queries sent after one, 0 old answers")


@test
def a_refused_change_changes_nothing(sandbox):
    sluice = start(sandbox)
    before = sluice.weights("www.shop.example")
    refused = [
        (["weight", "set", "www.shop.example", "v1=0", "v2=0"], 1),
        (["weight", "set", "www.shop.example", "v1=-1"], 1),
        (["weight", "set", "www.shop.example", "v9=1"], 1),
        (["weight", "set", "nobody.shop.example", "v1=1"], 1),
        (["weight", "reset", "nobody.shop.example"], 1),
        (["endpoint", "drain", "127.9.9.9"], 1),
        (["endpoint", "drain", "not-an-address"], 1),
        (["weight", "set", "www.shop.example"], 2),
        (["weight", "put", "www.shop.example", "v1=1"], 2),
        (["no-such-command"], 2),
        ([], 2),
    ]
    for arguments, code in refused:
        result = sluice.run_ctl(*arguments)
        expect_equal(f"exit code of sluicectl {' '.join(arguments)}", result.returncode, code)
        expect(result.stderr.strip(), f"sluicectl {' '.join(arguments)}: no reason on stderr")
    expect_equal("weights", sluice.weights("www.shop.example"), before)
    expect_equal("endpoint", sluice.endpoint("127.0.1.1")["word"], None)


@test
def a_dry_run_changes_nothing(sandbox):
    sluice = start(sandbox)
    sluice.ctl("weight", "set", "www.shop.example", "v1=0", "v2=1", "--dry-run")
    sluice.ctl("endpoint", "drain", "127.0.1.1", "--dry-run")
    expect_equal("weights", sluice.weights("www.shop.example"), {"v1": 90, "v2": 10})
    expect_equal("endpoint", sluice.endpoint("127.0.1.1")["word"], None)
    share = share_of_v2(ask_many(sluice.port, [question("www.shop.example", "A")] * 2000))
    expect(share < 20, f"v2 has {share} % after a dry run")


@test
def weight_reset_goes_back_to_the_config(sandbox):
    sluice = start(sandbox)
    sluice.ctl("weight", "set", "www.shop.example", "v1=0", "v2=1")
    expect_equal("share of v2", share_of_v2(ask_many(sluice.port, [question("www.shop.example", "A")] * 500)), 100)
    sluice.ctl("weight", "reset", "www.shop.example")
    expect_equal("weights", sluice.weights("www.shop.example"), {"v1": 90, "v2": 10})
    share = share_of_v2(ask_many(sluice.port, [question("www.shop.example", "A")] * 5000))
    expect(abs(share - 10) < 3, f"v2 has {share} % after the reset")


@test
def events_tell_who_changed_what(sandbox):
    sluice = start(sandbox)
    sluice.ctl("weight", "set", "www.shop.example", "v1=7", "v2=3")
    sluice.ctl("endpoint", "drain", "127.0.1.1", "--reason", "new kernel")
    text = sluice.ctl("events")
    for word in ("www.shop.example", "127.0.1.1", "new kernel"):
        expect(word in text, f"`sluicectl events` does not show {word!r}:\n{text}")


@test
def sluicectl_without_a_daemon_exits_3(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    for arguments in (["status"], ["weight", "set", "www.shop.example", "v1=1"]):
        result = sluice.run_ctl(*arguments)
        expect_equal(f"exit code of sluicectl {arguments[0]}", result.returncode, 3)
        expect(result.stderr.strip(), "no reason on stderr")


@test
def a_drained_address_is_given_no_more(sandbox):
    sluice = start(sandbox)
    wire = question("www.shop.example", "A")
    sluice.ctl("endpoint", "drain", "127.0.1.1")
    given = {address for reply in ask_many(sluice.port, [wire] * 2000) for address in addresses(reply)}
    expect_equal("addresses while drained", given, {"127.0.1.2", "127.0.2.1"})
    sluice.ctl("endpoint", "undrain", "127.0.1.1")
    given = {address for reply in ask_many(sluice.port, [wire] * 2000) for address in addresses(reply)}
    expect_equal("addresses afterwards", given, {"127.0.1.1", "127.0.1.2", "127.0.2.1"})

"""What was acknowledged is there after kill -9, and after a full disk."""

import http.client
import os
import random
import subprocess
import threading
import time

from harness import Options, Skip, Sluice, expect, expect_equal, poll, test
from queries import addresses, ask_many, question

SUM = 1000  # of the three weights of a change: a half change would break it
CONFIG = """
[pool.v1]
endpoints = ["127.0.1.1", "127.0.1.2"]
[pool.v2]
endpoints = ["127.0.2.1"]
[pool.v3]
endpoints = ["127.0.3.1"]
[steer."www.shop.example"]
pools = { v1 = 800, v2 = 100, v3 = 100 }
"""
NAME = "www.shop.example"
WWW = question(NAME, "A")


def given_addresses(sluice, queries=500):
    return {address for reply in ask_many(sluice.port, [WWW] * queries) for address in addresses(reply)}


def start(sandbox, **options):
    sluice = Sluice(sandbox, CONFIG, **options)
    sluice.start()
    return sluice


@test
def an_acknowledged_change_survives_kill_9(sandbox):
    sluice = start(sandbox)
    for change, wanted in (
            (["weight", "set", NAME, "v1=0", "v2=1", "v3=0"], {"127.0.2.1"}),
            (["weight", "set", NAME, "v1=1", "v2=0", "v3=0"], {"127.0.1.1", "127.0.1.2"}),
            (["endpoint", "drain", "127.0.1.1"], {"127.0.1.2"}),
            (["endpoint", "undrain", "127.0.1.1"], {"127.0.1.1", "127.0.1.2"})):
        sluice.ctl(*change)
        sluice.process.kill()
        sluice.start()
        expect_equal(f"addresses after {' '.join(change)}, kill -9 and a restart", given_addresses(sluice), wanted)


def weights_of(number):
    """The three weights that belong to a change; no two changes share one of the first two."""
    return {"v1": number % 900, "v2": 900 - number % 900, "v3": SUM - 900}


class Writer:
    """Changes the weights as fast as the daemon acknowledges it, until the daemon is gone."""

    def __init__(self, sluice, number):
        self.api = sluice.api()
        self.sent = number
        self.acknowledged = number
        self.refused = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while self.refused is None:
                self.sent += 1
                status, body = self.api.set_weights(NAME, weights_of(self.sent))
                if status == 200:
                    self.acknowledged = self.sent
                else:
                    self.refused = body
        except (OSError, http.client.HTTPException):
            pass  # killed

    def join(self):
        self.thread.join()
        self.api.close()


@test
def kills_at_random_moments_lose_nothing(sandbox):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    sandbox.note(f"seed {seed}")
    sluice = start(sandbox)
    sluice.api().set_weights(NAME, weights_of(0))
    number = 0
    changes = 0
    for kill in range(Options.kills):
        writer = Writer(sluice, number)
        wanted = number + chance.randrange(20)
        poll("changes", lambda w=writer, n=wanted: w.acknowledged > n or w.refused)
        time.sleep(chance.uniform(0, 0.01))  # the random moment
        sluice.process.kill()
        writer.join()
        expect(writer.refused is None, f"a change was refused: {writer.refused}")
        sluice.start()
        found = sluice.weights(NAME)
        # The one that was under way may have been kept or not; it was not acknowledged.
        possible = [weights_of(kept) for kept in range(writer.acknowledged, writer.sent + 1)]
        expect(found in possible, f"kill {kill}: {found}, but acknowledged {possible[0]}, under way {possible[-1]}")
        check_slots(sluice, found)
        changes += writer.acknowledged - number
        number = writer.acknowledged + possible.index(found)
    sandbox.note(f"{Options.kills} kills during {changes} acknowledged changes: none lost, none half done")


def check_slots(sluice, weights):
    """That the shares in force are those of the weights: the slots were not left behind."""
    steer = sluice.status()["steers"][0]
    for pool in steer["pools"]:
        share = weights[pool["pool"]] / SUM
        expect(abs(pool["now_share"] - share) < 0.001, f"{pool['pool']} has a share of {pool['now_share']}, not {share}")


class SmallDisk:
    """A file system of a few MiB in memory, to be filled."""

    def __init__(self, sandbox):
        self.path = sandbox.path("disk")
        os.mkdir(self.path)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", self.path], capture_output=True,
                                 text=True, check=False) if os.geteuid() == 0 else None
        if mounted is None or mounted.returncode != 0:
            raise Skip("needs to mount a small file system, which only root may do, and not in every container")

    def fill(self):
        with open(os.path.join(self.path, "ballast"), "wb", buffering=0) as ballast:
            size = 1 << 16
            while size:
                try:
                    if ballast.write(b"\0" * size) < size:
                        size //= 2
                except OSError:
                    size //= 2

    def free(self):
        os.remove(os.path.join(self.path, "ballast"))

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=True)


@test
def a_full_disk_refuses_changes_and_nothing_else(sandbox):
    disk = SmallDisk(sandbox)
    try:
        sluice = start(sandbox, state="disk/state")
        sluice.ctl("weight", "set", NAME, "v1=1", "v2=0", "v3=0")
        disk.fill()
        refuse_until_space(sluice)
        expect_equal("addresses on a full disk", given_addresses(sluice), {"127.0.1.1", "127.0.1.2"})
        disk.free()
        sluice.ctl("weight", "set", NAME, "v1=0", "v2=1", "v3=0")
        expect_equal("addresses with space again", given_addresses(sluice), {"127.0.2.1"})
        sluice.process.kill()
        sluice.start()
        expect_equal("addresses after a restart", given_addresses(sluice), {"127.0.2.1"})
        expect_equal("exit code", sluice.process.terminate(), 0)
    finally:
        for process in sandbox.processes:
            process.kill()
        disk.unmount()


def refuse_until_space(sluice):
    """The log that SQLite reuses may have room for some changes; then they are refused, and change nothing."""
    for number in range(2000):
        before = sluice.weights(NAME)
        result = sluice.run_ctl("weight", "set", NAME, "v1=1", "v2=0", "v3=0") if number % 2 else \
            sluice.run_ctl("weight", "set", NAME, "v1=2", "v2=0", "v3=0")
        if result.returncode != 0:
            expect_equal("exit code on a full disk", result.returncode, 1)
            expect(result.stderr.strip(), "no reason on stderr")
            expect_equal("weights after the refusal", sluice.weights(NAME), before)
            return
    raise AssertionError("2,000 changes found room on a full disk")


@test
def a_word_that_came_due_on_a_full_disk_does_not_come_back(sandbox):
    """It took effect, and could not be stored; what takes it back is acknowledged, and has to hold after kill -9."""
    disk = SmallDisk(sandbox)
    try:
        sluice = start(sandbox, state="disk/state")
        sluice.ctl("endpoint", "down", "127.0.1.1", "--at", "+3s")
        disk.fill()
        refuse_until_space(sluice)
        poll("the word is in force", lambda: sluice.endpoint("127.0.1.1")["word"])
        disk.free()
        sluice.ctl("endpoint", "auto", "127.0.1.1")
        sluice.process.kill()
        sluice.start()
        expect_equal("the word after kill -9", sluice.endpoint("127.0.1.1")["word"], None)
        expect("endpoint.down" in [event["kind"] for event in sluice.events()], "the event of the word is lost")
    finally:
        for process in sandbox.processes:
            process.kill()
        disk.unmount()

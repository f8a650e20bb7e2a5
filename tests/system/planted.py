"""Files that somebody else has put where the daemon, started by root, opens its own: none is followed or changed."""

import os
import pwd
import shutil
import socket
import stat

from harness import Failure, Skip, Sluice, expect, expect_equal, run, test
from queries import ask
from abuse import PLAIN_CONFIG

# All that the daemon or its database opens in the state folder, and the admin socket.
STATE_FILES = ["lock", "sluice.db", "sluice.db-wal", "sluice.db-journal", "sluice.db-shm"]


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root has something to lose")


class Victim:
    """A file of root's that must stay as it is."""

    def __init__(self, sandbox, name="victim", text="root's own\n"):
        self.path = sandbox.write(name, text)
        os.chmod(self.path, 0o640)
        self.before = self.look()

    def look(self):
        status = os.lstat(self.path)
        with open(self.path, encoding="utf-8") as text:
            return status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_nlink, text.read()

    def expect_untouched(self, what):
        expect_equal(f"root's file, with {what}", self.look(), self.before)


def start_or_refuse(sluice):
    """Both are fine, as long as nothing of others is touched. True when it started."""
    log = sluice.sandbox.path("sluiced.log")
    if os.path.exists(log):
        os.unlink(log)  # another daemon's `ready` stands in it
    try:
        sluice.start()
    except Failure:
        return False
    sluice.ctl("weight", "set", "www.shop.example", "v1=7")
    expect_equal("answers", len(ask(sluice.port, "www.shop.example", "A").answer), 1)
    expect_equal("exit code", sluice.process.terminate(), 0)
    return True


def plant(path, kind, victim):
    if os.path.lexists(path):
        os.unlink(path)
    if kind == "symbolic link":
        os.symlink(victim.path, path)
    elif kind == "dangling link":
        os.symlink(victim.path + ".new", path)
    elif kind == "link to a folder":
        os.symlink(os.path.dirname(victim.path), path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)


def unplant(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


@test
def nothing_planted_in_the_state_folder_is_followed(sandbox):
    need_root()
    os.chmod(sandbox.folder, 0o755)
    started = refused = 0
    for user in ("", 'user = "nobody"'):
        for name in STATE_FILES:
            for kind in ("symbolic link", "dangling link", "link to a folder", "fifo", "folder"):
                what = f"a {kind} as {name}" + (", changing to nobody" if user else "")
                shutil.rmtree(sandbox.path("state"), ignore_errors=True)
                victim = Victim(sandbox)
                sluice = Sluice(sandbox, PLAIN_CONFIG, server=user)
                os.mkdir(sandbox.path("state"), 0o700)
                if user:
                    shutil.chown(sandbox.path("state"), "nobody")
                plant(sandbox.path("state", name), kind, victim)
                if start_or_refuse(sluice):
                    started += 1
                else:
                    refused += 1
                victim.expect_untouched(what)
                expect(not os.path.lexists(victim.path + ".new"), f"{what}: a file was made through the link")
    sandbox.note(f"{started + refused} plants: {started} starts in spite of it, {refused} refusals, nothing followed")


@test
def links_planted_while_it_runs_are_not_followed_either(sandbox):
    need_root()
    sluice = Sluice(sandbox, PLAIN_CONFIG)
    sluice.start()
    sluice.ctl("weight", "set", "www.shop.example", "v1=5")
    victim = Victim(sandbox)
    for name in STATE_FILES:
        plant(sandbox.path("state", name), "symbolic link", victim)
    sluice.run_ctl("weight", "set", "www.shop.example", "v1=6")
    sluice.run_ctl("reload")
    expect_equal("answers", len(ask(sluice.port, "www.shop.example", "A").answer), 1)
    victim.expect_untouched("links in place of all files of a running daemon")
    sluice.process.terminate()
    victim.expect_untouched("links in place of all files of a daemon that has ended")


@test
def nothing_planted_as_the_admin_socket_is_followed_or_replaced(sandbox):
    need_root()
    os.chmod(sandbox.folder, 0o755)
    for user in ("", 'user = "nobody"'):
        for kind in ("symbolic link", "dangling link", "link to a folder", "fifo", "folder"):
            what = f"a {kind} as the admin socket"
            victim = Victim(sandbox)
            sluice = Sluice(sandbox, PLAIN_CONFIG, server=user)
            plant(sluice.socket_path, kind, victim)
            before = os.lstat(sluice.socket_path)
            result = run([sluice.program("sluiced"), "--config", sluice.config_path])
            expect_equal(f"exit code with {what}", result.returncode, 1)
            expect("admin.sock" in result.stderr, f"{what}: the path is not named: {result.stderr}")
            after = os.lstat(sluice.socket_path)
            expect_equal(what, (after.st_ino, after.st_mode, after.st_uid), (before.st_ino, before.st_mode, before.st_uid))
            victim.expect_untouched(what)
            expect(not os.path.lexists(victim.path + ".new"), f"{what}: a file was made through the link")
            unplant(sluice.socket_path)


@test
def a_link_to_a_living_socket_is_not_taken_over(sandbox):
    need_root()
    sluice = Sluice(sandbox, PLAIN_CONFIG, server='user = "nobody"')
    os.chmod(sandbox.folder, 0o755)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(sandbox.path("other.sock"))  # bound and not listening: as dead as a socket can look
        os.chmod(sandbox.path("other.sock"), 0o600)
        os.symlink(sandbox.path("other.sock"), sluice.socket_path)
        result = run([sluice.program("sluiced"), "--config", sluice.config_path])
        expect_equal("exit code", result.returncode, 1)
        status = os.lstat(sandbox.path("other.sock"))
        expect_equal("owner and mode of the other socket", (status.st_uid, stat.S_IMODE(status.st_mode)), (0, 0o600))


@test
def a_state_folder_behind_a_planted_link_is_refused(sandbox):
    need_root()
    os.chmod(sandbox.folder, 0o755)
    os.mkdir(sandbox.path("elsewhere"), 0o755)
    sluice = Sluice(sandbox, PLAIN_CONFIG, server='user = "nobody"')
    os.symlink(sandbox.path("elsewhere"), sandbox.path("state"))
    os.chown(sandbox.path("state"), pwd.getpwnam("nobody").pw_uid, -1, follow_symlinks=False)
    with open(sluice.config_path, encoding="utf-8") as text:
        config = text.read()
    sandbox.write("sluice.toml", config.replace('"admin.sock"', '"state/admin.sock"'))
    result = run([sluice.program("sluiced"), "--config", sluice.config_path])
    expect_equal("exit code", result.returncode, 1)
    expect("symbolic link that is not root's" in result.stderr, result.stderr)
    expect_equal("files behind the link", os.listdir(sandbox.path("elsewhere")), [])
    sandbox.write("sluice.toml", config)
    os.chown(sandbox.path("state"), 0, 0, follow_symlinks=False)
    shutil.chown(sandbox.path("elsewhere"), "nobody")
    expect(start_or_refuse(sluice), "root's own link is not followed")
    expect("sluice.db" in os.listdir(sandbox.path("elsewhere")), "the state is not behind root's link")


@test
def no_file_is_written_outside_the_state_folder(sandbox):
    """A process id file could be followed, too: there is none."""
    sluice = Sluice(sandbox, PLAIN_CONFIG)
    before = set(os.listdir(sandbox.folder))
    sluice.start()
    made = set(os.listdir(sandbox.folder)) - before
    expect_equal("new entries", sorted(made), ["admin.sock", "sluiced.log", "state"])
    expect_equal("mode of the state folder", stat.S_IMODE(os.stat(sandbox.path("state")).st_mode), 0o700)
    for name in os.listdir(sandbox.path("state")):
        expect_equal(f"mode of {name}", stat.S_IMODE(os.stat(sandbox.path("state", name)).st_mode) & 0o077, 0)

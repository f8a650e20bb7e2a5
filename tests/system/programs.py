"""Exec checks: programs decide who is healthy, and never outlive the daemon."""

import os
import pwd
import re
import signal

from harness import Skip, Sluice, expect, expect_equal, poll, test
from queries import addresses, ask_many, question

WWW = question("www.shop.example", "A")


def config(program):
    return f"""
[check.file]
type = "exec"
command = ["{program}", "an argument"]
port = 8080
interval = "500ms"
timeout = "500ms"
rise = 1
fall = 2
hold_down = "0s"
[check.slow]
type = "exec"
command = ["{program}", "hang"]
interval = "1h"
timeout = "1m"
[pool.v1]
check = "file"
endpoints = ["127.0.1.1", "127.0.1.2"]
[steer."www.shop.example"]
pools = {{ v1 = 1 }}
"""


def write_program(sandbox):
    """127.0.1.1 is healthy while there is no file `bad`; `hang` hangs, with a session of its own that hangs, too."""
    path = sandbox.write("check", f"""#!/bin/sh
if [ "$1" = hang ]; then
  setsid sh -c 'echo $$ >{sandbox.path("hanging")}.new; mv {sandbox.path("hanging")}.new {sandbox.path("hanging")}; exec sleep 1000' &
  exec sleep 1000
fi
echo "$SLUICE_CHECK asks $SLUICE_ADDRESS for port $SLUICE_PORT"
[ "$SLUICE_ADDRESS" != 127.0.1.1 ] || [ ! -e {sandbox.path("bad")} ]
""")
    os.chmod(path, 0o755)
    return path


def children(process):
    """All processes below one, and of what is below those."""
    below = []
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children", encoding="ascii") as numbers:
                below += [int(number) for number in numbers.read().split()]
    except OSError:
        return []
    return below + [grandchild for child in below for grandchild in children(child)]


def is_alive(process):
    """Neither gone nor a zombie that nobody has reaped."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as text:
            return text.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def given(sluice):
    return {address for reply in ask_many(sluice.port, [WWW] * 200) for address in addresses(reply)}


@test
def a_program_decides_who_is_healthy(sandbox):
    sluice = Sluice(sandbox, config(write_program(sandbox)))
    sluice.start()
    poll("both up", lambda: given(sluice) == {"127.0.1.1", "127.0.1.2"})
    sandbox.write("bad", "")
    poll("127.0.1.1 down", lambda: sluice.endpoint("127.0.1.1")["health"] == "down")
    expect_equal("addresses while one is down", given(sluice), {"127.0.1.2"})
    expect("exit status 1: file asks 127.0.1.1 for port 8080" in sluice.ctl("events"), "no event shows what the program said")
    os.remove(sandbox.path("bad"))
    poll("127.0.1.1 back", lambda: sluice.endpoint("127.0.1.1")["health"] == "up")
    expect_equal("addresses when it is back", given(sluice), {"127.0.1.1", "127.0.1.2"})


def start_hanging(sandbox):
    """(sluice, the processes below it): a program hangs, and a session of its own with it."""
    program = write_program(sandbox)
    sluice = Sluice(sandbox, config(program) + '[pool.v2]\ncheck = "slow"\nendpoints = ["127.0.2.1"]\n')
    sluice.launch()  # it is not ready before the program has had its time
    poll("a program that hangs", lambda: os.path.exists(sandbox.path("hanging")))
    with open(sandbox.path("hanging"), encoding="ascii") as number:
        hanging = int(number.read())
    below = set(children(sluice.process.popen.pid))
    expect(hanging in below, f"{hanging} is not below sluiced")
    return sluice, below


def expect_all_gone(processes):
    poll("the end of all processes", lambda: not [process for process in processes if is_alive(process)])


@test
def kill_9_leaves_no_program_behind(sandbox):
    sluice, below = start_hanging(sandbox)
    sluice.process.signal(signal.SIGKILL)
    sluice.process.popen.wait()
    expect_all_gone(below)


@test
def a_regular_end_leaves_no_program_behind(sandbox):
    sluice, below = start_hanging(sandbox)
    expect_equal("exit code", sluice.process.terminate(), 0)
    expect_all_gone(below)


@test
def programs_run_as_the_user_of_the_daemon(sandbox):
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    os.chmod(sandbox.folder, 0o755)
    path = sandbox.write("who", "#!/bin/sh\necho user $(id -u) groups $(id -G) rights $(sed -n s/CapEff://p /proc/self/status)\nexit 1\n")
    os.chmod(path, 0o755)
    nobody = pwd.getpwnam("nobody")
    sluice = Sluice(sandbox, config(path), server='user = "nobody"')
    sluice.start()
    wanted = f"exit status 1: user {nobody.pw_uid} groups {nobody.pw_gid} rights 0000000000000000"
    poll("the result in the events", lambda: wanted in sluice.ctl("events"))
    keeper = children(sluice.process.popen.pid)[0]
    for process in (keeper, children(keeper)[0]):
        with open(f"/proc/{process}/status", encoding="utf-8") as text:
            uids = re.search(r"^Uid:(.*)$", text.read(), re.MULTILINE)[1].split()
        expect_equal("user ids of the keeper and the runner", uids, [str(nobody.pw_uid)] * 4)


@test
def verdicts_hold_while_the_runner_of_programs_is_killed(sandbox):
    sluice = Sluice(sandbox, config(write_program(sandbox)))
    sluice.start()
    poll("both up", lambda: given(sluice) == {"127.0.1.1", "127.0.1.2"})
    keeper = children(sluice.process.popen.pid)[0]
    os.kill(children(keeper)[0], signal.SIGKILL)
    poll("the restart in the log", lambda: "has been started anew" in sluice.process.log())
    expect_equal("addresses after the restart", given(sluice), {"127.0.1.1", "127.0.1.2"})
    sandbox.write("bad", "")
    poll("127.0.1.1 down", lambda: sluice.endpoint("127.0.1.1")["health"] == "down")
    os.remove(sandbox.path("bad"))
    poll("127.0.1.1 back", lambda: sluice.endpoint("127.0.1.1")["health"] == "up")
    os.kill(keeper, signal.SIGKILL)
    poll("the end in the log", lambda: "the runner of exec checks has ended" in sluice.process.log())
    sandbox.write("bad", "")
    expect_equal("addresses without a runner", given(sluice), {"127.0.1.1", "127.0.1.2"})
    expect_equal("exit code", sluice.process.terminate(), 0)


@test
def a_program_that_stops_its_supervisor_fails_at_its_deadline(sandbox):
    path = sandbox.write("stopping", f"""#!/bin/sh
[ "$SLUICE_ADDRESS" = 127.0.1.1 ] && [ -e {sandbox.path("bad")} ] || exit 0
kill -STOP $PPID
exec sleep 1000
""")
    os.chmod(path, 0o755)
    sluice = Sluice(sandbox, config(path))
    sluice.start()
    poll("both up", lambda: given(sluice) == {"127.0.1.1", "127.0.1.2"})
    sandbox.write("bad", "")
    poll("127.0.1.1 down", lambda: sluice.endpoint("127.0.1.1")["health"] == "down")
    expect("127.0.1.1 is down by check file (2 failures): timeout after 500ms" in sluice.ctl("events"), sluice.ctl("events"))
    os.remove(sandbox.path("bad"))
    poll("127.0.1.1 back", lambda: sluice.endpoint("127.0.1.1")["health"] == "up")


def command_of(process):
    try:
        with open(f"/proc/{process}/cmdline", "rb") as line:
            return line.read()
    except OSError:
        return b""


@test
def hooks_that_take_long_keep_no_check_waiting(sandbox):
    count = 64  # as many as may run at once
    fleet = ", ".join(f'"127.0.2.{host}"' for host in range(1, count + 1))
    sluice = Sluice(sandbox, config(write_program(sandbox)) + f"[pool.fleet]\nendpoints = [{fleet}]\n")
    sluice.start()
    poll("both up", lambda: given(sluice) == {"127.0.1.1", "127.0.1.2"})
    sluice.ctl("rolling", "start", "fleet", "--batch", str(count), "--min-available", "0", "--hook", "exec sleep 1000")
    poll("as many hooks as may run", lambda: sum(command_of(process).startswith(b"sleep\0" b"1000")
                                                 for process in children(sluice.process.popen.pid)) == count)
    sandbox.write("bad", "")
    poll("127.0.1.1 down", lambda: sluice.endpoint("127.0.1.1")["health"] == "down")

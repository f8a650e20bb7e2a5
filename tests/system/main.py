"""Runs the system tests: the real daemon, real web servers, a real resolver. Called by tests/system/run and tools/test."""

import argparse
import concurrent.futures
import contextlib
import importlib
import io
import os
import sys
import time
import traceback

import harness

# Those that take longest come early, so that none of them runs alone at the end.
MODULES = ["planted", "resolvers", "rollouts", "analysis", "abuse", "answers", "shares", "weights", "health", "network", "checks", "words", "leases", "classes", "programs", "hosts", "durability", "notify", "rolling", "safety", "previews", "resolver", "bad_input", "transfers", "running", "tls", "descriptions", "admin_abuse"]


def report(name, verdict, seconds, sandbox):
    print(f"{name}: {verdict} ({seconds:.1f} s)", flush=True)
    for note in sandbox.notes:
        print(f"    {note}", flush=True)


def run_test(name):
    """"ok", "FAILED" or "skipped", and what is to be printed."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        verdict = run_here(name, harness.TESTS[name])
    return verdict, out.getvalue()


def run_here(name, function):
    """"ok", "FAILED" or "skipped"; the rest is printed."""
    sandbox = harness.Sandbox(name)
    started = time.monotonic()
    try:
        function(sandbox)
        verdict = "ok"
    except harness.Skip as reason:
        verdict = "skipped"
        sandbox.note(str(reason))
    except harness.Failure as failure:
        verdict = "FAILED"
        print(f"{failure}\n{sandbox.logs()}")
    except Exception:  # pylint: disable=broad-except  # whatever a test raises is its failure, and the run goes on
        verdict = "FAILED"
        print(f"{traceback.format_exc()}{sandbox.logs()}")
    finally:
        sandbox.close()
    report(name, verdict, time.monotonic() - started, sandbox)
    return verdict


def select(words):
    """The names of the tests that contain one of the words; all when there is none."""
    chosen = [name for name in harness.TESTS if not words or any(word in name for word in words)]
    if not chosen:
        sys.exit(f"no test is named like {' or '.join(words)}; there are:\n  " + "\n  ".join(harness.TESTS))
    return chosen


def main():
    parser = argparse.ArgumentParser(prog="tests/system/run", description="Runs the system tests.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only tests whose name contains this")
    parser.add_argument("--build", default=harness.Options.build, help="folder with sluiced and sluicectl")
    parser.add_argument("--kills", type=int, default=harness.Options.kills, help="how often the daemon is killed (20)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many tests run at the same time (one a core)")
    parser.add_argument("--list", action="store_true", help="only show the names")
    options = parser.parse_args()
    harness.Options.build = os.path.abspath(options.build)
    harness.Options.kills = options.kills
    for module in MODULES:
        importlib.import_module(module)
    if options.list:
        print("\n".join(harness.TESTS))
        return 0
    verdicts = []
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as workers:
        for test in concurrent.futures.as_completed([workers.submit(run_test, name) for name in select(options.names)]):
            verdict, text = test.result()
            print(text, end="", flush=True)
            verdicts.append(verdict)
    skipped = verdicts.count("skipped")
    print(f"{verdicts.count('ok')} passed, {verdicts.count('FAILED')} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if "FAILED" in verdicts else 0


sys.exit(main())

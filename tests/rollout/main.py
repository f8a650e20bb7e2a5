"""Rollouts in full size, by the real daemon. Called by tests/rollout/run."""

import argparse
import os
import sys

import stage
import bluegreen_show
import canary_show
import kills_show
import rolling_show

SHOWS = {"canary": canary_show, "rolling": rolling_show, "bluegreen": bluegreen_show, "kills": kills_show}


def parse():
    parser = argparse.ArgumentParser(prog="tests/rollout/run", description=__doc__)
    parser.add_argument("--build", default=stage.harness.Options.build, help="folder with sluiced and sluicectl")
    parts = parser.add_subparsers(dest="show", required=True, metavar="SHOW")
    for name, module in SHOWS.items():
        part = parts.add_parser(name, description=module.__doc__, help=module.__doc__.split("\n", maxsplit=1)[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(part)
    return parser.parse_args()


def main():
    options = parse()
    stage.harness.Options.build = os.path.abspath(options.build)
    sandbox = stage.harness.Sandbox(options.show)
    try:
        verdict = SHOWS[options.show].run(options, sandbox)
    except (stage.harness.Failure, stage.harness.Skip) as failure:
        print(f"{sandbox.logs(8)}\n{options.show}: FAILED: {failure}", flush=True)
        return 1
    finally:
        sandbox.close()
    print(f"{options.show}: passed: {verdict}", flush=True)
    return 0


sys.exit(main())

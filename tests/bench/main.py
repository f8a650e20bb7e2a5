"""The measurements of tools/bench, which calls this."""

import argparse
import json
import sys

import checking
import compare
import fleet
import latency
import million
import rolling_out
import workers
from common import harness

MEASUREMENTS = {"compare": compare, "latency": latency, "workers": workers, "million": million, "fleet": fleet,
                "checking": checking, "rollouts": rolling_out}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="where all figures go, those of each round, too")
    parts = parser.add_subparsers(dest="measurement", required=True, metavar="MEASUREMENT")
    for name, module in MEASUREMENTS.items():
        part = parts.add_parser(name, description=module.__doc__, help=module.__doc__.split("\n", maxsplit=1)[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(part)
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    sandbox = harness.Sandbox("bench")
    try:
        figures = MEASUREMENTS[options.measurement].run(options, sandbox)
        if options.json and figures is not None:
            with open(options.json, "w", encoding="utf-8") as out:
                json.dump({options.measurement: figures}, out, indent=1)
    finally:
        sandbox.close()


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"tools/bench: {failure}")

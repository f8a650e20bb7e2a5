"""That tools/floors finds what it has to find, and nothing else: a tree of small files, each with the message it has to give.

    /usr/bin/python3 tests/floors_test.py       prints `N passed, N failed`
"""

import os
import subprocess
import sys
import tempfile

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "floors")

# (file, its lines, the number of the line that is wrong or None)
CASES = [
    ("base/text.cpp", ['#include "base/text.hpp"', "#include <vector>"], None),
    ("base/up.cpp", ["// wire is above", '#include "wire/name.hpp"'], 2),
    ("answer/answer.cpp", ['#include "zone/zone.hpp"', '#include "steer/block.hpp"'], None),
    ("answer/up.hpp", ['#include "answer/answer.hpp"', '#include "serve/udp.hpp"'], 2),
    ("answer/indented.hpp", ['  #  include "control/director.hpp"'], 1),
    ("control/commands.hpp", ['#include "base/result.hpp"'], None),
    ("control/commands.cpp", ['#include "control/commands.hpp"', '#include "config/config.hpp"'], 2),
    ("control/director.cpp", ['#include "config/config.hpp"'], None),
    ("zone/load.cpp", ["#include <ldns/ldns.h>"], None),
    ("zone/zone.hpp", ["#include <ldns/ldns.h>"], 1),
    ("serve/tcp.cpp", ["#include <ldns/ldns.h>"], 1),
    ("serve/near.cpp", ['#include "udp.hpp"'], 1),
    ("cellar/wine.cpp", ["int bottles;"], 1),
    ("sluiced.cpp", ['#include "admin/server.hpp"', '#include "base/log.hpp"'], None),
]


def write(src, file, lines):
    path = os.path.join(src, file)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


def run_case(file, lines, wrong):
    """What differs from what was expected, or an empty text."""
    with tempfile.TemporaryDirectory() as src:
        write(src, file, lines)
        result = subprocess.run([TOOL, src], capture_output=True, text=True, check=False)
        found = [line.split(f"/{file}:")[1].split(":")[0] for line in result.stdout.splitlines()]
    expected = [] if wrong is None else [str(wrong)]
    if found != expected or result.returncode != (1 if expected else 0) or result.stderr:
        return f"{file}: expected lines {expected}, got {found} and exit {result.returncode}\n{result.stdout}{result.stderr}"
    return ""


failures = [failure for failure in (run_case(*case) for case in CASES) if failure]
for text in failures:
    print(text, file=sys.stderr)
print(f"{len(CASES) - len(failures)} passed, {len(failures)} failed")
sys.exit(1 if failures else 0)

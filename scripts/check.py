"""Run the checks that every change must pass.

    python scripts/check.py                         everything, as CI does, with the coverage floor
    python scripts/check.py --fast                  under a minute: without the rooms whose tests are slow
    python scripts/check.py --long                  everything, with 20 times as many examples for property tests
    python scripts/check.py tests/image -k jpeg     further arguments go to pytest; coverage is not measured

Every check runs, even if one before it failed. The settings of all tools are in pyproject.toml.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
CHECKS = {
    "lint": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "types": ("mypy",),
    "layers": ("lint-imports",),
    "spelling and wording": ("typos",),
    "workflow": ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml"),
    "issue forms": (
        "check-jsonschema",
        "--builtin-schema",
        "vendor.github-issue-forms",
        ".github/ISSUE_TEMPLATE/bug.yml",
        ".github/ISSUE_TEMPLATE/feature.yml",
    ),
}
# Rooms that train, export, measure or attack. The others have more than half of the tests and take half a minute.
SLOW_ROOMS = ("bench", "cli", "docs", "export", "hostile", "project", "train", "zoo")
FAST_TESTS = ("-m", "not slow", *(f"--ignore=tests/{room}" for room in SLOW_ROOMS))


def main() -> None:
    os.chdir(ROOT)
    # The tools of this interpreter's environment, whether it is activated or not.
    os.environ["PATH"] = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    results = [(name, *run(command)) for name, command in commands(sys.argv[1:]).items()]
    print()
    for name, passed, seconds in results:
        print(f"{'ok    ' if passed else 'FAILED'}  {seconds:6.1f} s  {name}")
    if not all(passed for _, passed, _ in results):
        sys.exit(1)


def commands(arguments: list[str]) -> dict[str, tuple[str, ...]]:
    """The command of each check, by its name."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--fast", action="store_true", help="leave out slow tests and coverage")
    extent.add_argument("--long", action="store_true", help="20 times as many examples for property tests")
    options, for_pytest = parser.parse_known_args(arguments)
    tests = ["pytest", *(FAST_TESTS if options.fast else ()), *(("--hypothesis-profile=long",) if options.long else ())]
    if options.fast or for_pytest:
        return {**CHECKS, "tests": (PYTHON, "-m", *tests, *for_pytest)}
    # The floor is for all tests together: a part of them covers a part of the package.
    measured = (PYTHON, "-m", "coverage", "run", "-m", *tests)
    return {**CHECKS, "tests": measured, "coverage": (PYTHON, "-m", "coverage", "report")}


def run(command: tuple[str, ...]) -> tuple[bool, float]:
    """Whether the command succeeded, and how many seconds it took."""
    print("\n$", *command, flush=True)
    start = time.monotonic()
    passed = subprocess.run(command, check=False).returncode == 0
    return passed, time.monotonic() - start


if __name__ == "__main__":
    main()

"""What the fuzzers share: inputs made from a seed, tried in a process of their own, with limits on time and memory.

Each `scripts/fuzz_*.py` makes inputs of one kind. A case is made from the seed and its number alone, so that a finding
can be repeated: `--first NUMBER --count 1`.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from edgekit.errors import EdgekitError

_START_SECONDS = 60.0  # importing torch on a busy machine
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)

Trial = Callable[[random.Random], None]


class Limits(NamedTuple):
    """What one case may take.

    Attributes:
        seconds: after which the process is killed.
        cpu_seconds: of the process and those that it started and waited for; busy machines do not change it.
        megabytes: by which the process may grow after its preparation; the processes that it starts count, too.
    """

    seconds: float = 5.0
    cpu_seconds: float = math.inf
    megabytes: float = 600.0


DEFAULT_LIMITS = Limits()


class Finding(NamedTuple):
    """A case that did what none may do: `reason` is an exception, "slow", "hang", "memory" or "killed"."""

    number: int
    reason: str


def main(doc: str, prepare: Callable[[Path], Trial], *, count: int, limits: Limits = DEFAULT_LIMITS) -> None:
    """Run a fuzzer from the command line; exits with status 1 if there are findings.

    Args:
        doc: of the script.
        prepare: makes the files that the cases need in an empty folder, and returns the function that makes and tries
            one case. It may raise EdgekitError; any other exception is a finding.
        count: default number of cases.
        limits: what a case may take.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count, help="number of cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    options = parser.parse_args()
    begin = time.monotonic()
    numbers = range(options.first, options.first + options.count)

    def report(finding: Finding) -> None:
        print(f"case {finding.number} of seed {options.seed}: {finding.reason}", flush=True)

    findings = fuzz(prepare, seed=options.seed, numbers=numbers, limits=limits, on_finding=report)
    print(f"{options.count} cases in {time.monotonic() - begin:.0f} s, {len(findings)} findings")
    sys.exit(1 if findings else 0)


def fuzz(
    prepare: Callable[[Path], Trial],
    *,
    seed: int,
    numbers: range,
    limits: Limits = DEFAULT_LIMITS,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> list[Finding]:
    """Try the cases; a process that hangs or dies is replaced, and the rest goes on in the next.

    Args:
        prepare: as in `main`.
        seed: of all cases.
        numbers: of the cases.
        limits: what a case may take.
        on_finding: called with each finding.
    """
    findings: list[Finding] = []

    def found(number: int, reason: str) -> None:
        findings.append(Finding(number, reason))
        on_finding(findings[-1])

    while numbers:
        numbers = _try_in_process(prepare, seed, numbers, limits, found)
    return findings


def mutated(data: bytes, rng: random.Random, *, other: bytes = b"") -> bytes:
    """Return the bytes with a few random changes: bits, extreme values, cuts, repetitions, parts of another file."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        position = rng.randrange(len(result) + 1)
        length = rng.choice((1, 2, 4, 8, 64, 1024))
        match rng.randrange(7):
            case 0 if result:
                result[position % len(result)] ^= 1 << rng.randrange(8)
            case 1:
                result[position : position + length] = bytes([rng.choice(_EXTREMES)]) * length
            case 2:
                del result[position : position + length]
            case 3:
                result[position:position] = rng.randbytes(length)
            case 4:
                result[position:position] = result[position : position + length] * rng.choice((1, 2, 100))
            case 5:
                del result[position:]
            case 6 if other:
                start = rng.randrange(len(other))
                result[position : position + length] = other[start : start + length]
    return bytes(result)


def _try_in_process(
    prepare: Callable[[Path], Trial], seed: int, numbers: range, limits: Limits, found: Callable[[int, str], None]
) -> range:
    """Try cases until one ends the process; return the numbers that remain."""
    import tempfile

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_work, args=(prepare, seed, numbers, limits, Path(folder), theirs))
        process.start()
        theirs.close()
        number, patience = numbers.start, _START_SECONDS
        try:
            while True:
                if not ours.poll(patience):
                    found(number, f"hang: more than {limits.seconds:.0f} s")
                    break
                number, reason = ours.recv()  # the case that is tried next, or the reason why one is a finding
                patience = limits.seconds
                if reason:
                    found(number, reason)
                    if reason.startswith("memory"):
                        break
                elif number >= numbers.stop:
                    return range(0)
        except EOFError:
            process.join()
            found(number, f"killed: exit code {process.exitcode}")
        finally:
            process.kill()
            process.join()
    return range(number + 1, numbers.stop)


def _work(
    prepare: Callable[[Path], Trial], seed: int, numbers: range, limits: Limits, folder: Path, connection: Connection
) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    trial = prepare(folder)
    memory_before = _peak_megabytes(resource.RUSAGE_SELF)
    for number in numbers:
        connection.send((number, ""))
        cpu_before = _cpu_seconds()
        try:
            with suppress(EdgekitError):
                trial(random.Random(f"{seed}/{number}"))
        except BaseException as error:  # whatever it is, it is what the fuzzer looks for
            where = traceback.extract_tb(error.__traceback__)[-1]
            connection.send((number, f"{type(error).__name__} in {where.name}: {error}"[:1000]))
        taken = _cpu_seconds() - cpu_before
        if taken > limits.cpu_seconds:
            connection.send((number, f"slow: {taken:.1f} s of CPU time"))
        peaks = map(_peak_megabytes, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        grown = max(peaks) - memory_before  # for a moment, each child has the memory of its parent
        if grown > limits.megabytes:
            connection.send((number, f"memory: {grown:.0f} MB"))
            return
    connection.send((numbers.stop, ""))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_megabytes(whose: int) -> float:
    return resource.getrusage(whose).ru_maxrss / 1024

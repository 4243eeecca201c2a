"""Time the models of this kit on this device, and print what was measured as JSON.

    python bench.pyz > device.json

Each model first has to compute its golden vectors, so that no wrong result is timed. Nothing is sent anywhere. Progress
goes to the terminal.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.bench.micro_graphs.designed import design, micro_graphs
from edgekit.bench.micro_graphs.rounds import PASSES, PRECISIONS, measure_micro_graphs

from . import facts, once, timing
from .conditions import Conditions
from .kit import KitError, Model, check_golden, read_kit
from .progress import Progress

SCHEMA = 2
ONCE = "--once"  # of a child process: open a model and predict once
_MAX_THREADS = 256
_WRONG = 1  # exit status if a model computes something wrong here
_NOT_TIMED: dict[str, Any] = {"session_ms": None, "cold_start_ms": None, "peak_memory_bytes": None, "network": []}


def script() -> None:
    """Run the program with the arguments of the process."""
    program, *arguments = sys.argv
    try:
        if arguments[:1] == [ONCE]:
            once.predict_once(*arguments[1:])
            return
        document = measure(Path(program).resolve(), _parse(arguments), progress := Progress(sys.stderr))
    except KitError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing was written\n")
        sys.exit(130)
    sys.stdout.write(f"{json.dumps(document, indent=1, allow_nan=False)}\n")
    sys.stdout.flush()
    _write_notes(document["conditions"], progress)
    sys.exit(0 if all(model["golden"]["passed"] for model in document["models"]) else _WRONG)


def measure(program: Path, options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Measure the models of the kit that the program lies in. Raises KitError."""
    release, models = read_kit(program.parent)
    device, conditions = facts.device(), Conditions()
    progress.line(f"{device['processor'] or 'unknown processor'}, cores: {device['cores']}, models: {len(models)}")
    golden = [_checked(model, progress) for model in models]
    right = [model for model, result in zip(models, golden, strict=True) if result["passed"]]
    commands = [(sys.executable, str(program), ONCE, *model.session_arguments) for model in right]
    starts = once.measure_starts(commands, rounds=options.rounds, progress=progress)
    networks, drift = timing.measure_networks(
        right,
        threads=options.threads,
        rounds=options.rounds,
        seconds=options.seconds,
        on_round=conditions.sample,
        progress=progress,
    )
    timed = {
        model.name: {**start, "network": network} for model, start, network in zip(right, starts, networks, strict=True)
    }
    return {
        "schema": SCHEMA,
        "edgekit": release,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": device,
        "versions": facts.versions(),
        "settings": {"rounds": options.rounds, "seconds": options.seconds},
        "conditions": {**conditions.finish(), "drift": drift},
        "models": [
            {**model.facts(), "golden": result, **timed.get(model.name, _NOT_TIMED)}
            for model, result in zip(models, golden, strict=True)
        ],
        "micro_graphs": _micro_graphs(options.threads, progress) if options.micro_graphs else [],
    }


def _micro_graphs(threads: Sequence[int], progress: Progress) -> list[dict[str, Any]]:
    """What operators take on this device, from which `edgekit fit` predicts networks."""
    total = sum(len(micro_graphs(precision)) for precision in PRECISIONS)
    progress.begin("operators", len(threads) * PASSES * total)
    return [
        {
            "threads": count,
            "precision": precision,
            "design": design(precision),
            "milliseconds": milliseconds,
        }
        for count in threads
        for precision, milliseconds in measure_micro_graphs(count, on_graph=progress.step).items()
    ]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.pyz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=_rounds, default=15, help="rounds of each model, from 3 to 1000 (default: 15)")
    parser.add_argument(
        "--seconds", type=_seconds, default=0.1, help="length of a round of a model, up to 60 (default: 0.1)"
    )
    parser.add_argument(
        "--threads", type=_threads, default=_default_threads(), help="such as 1,2 (default: 1, 2, 4, ... all cores)"
    )
    parser.add_argument(
        "--no-micro-graphs",
        dest="micro_graphs",
        action="store_false",
        help="leave out what `edgekit fit` predicts from (two to three minutes for each number of threads)",
    )
    return parser.parse_args(arguments)


def _rounds(text: str) -> int:
    if not text.isdecimal() or not 3 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"must be an integer from 3 to 1000 (got {text[:40]!r})")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 60:
        raise argparse.ArgumentTypeError(f"must be a number above 0, at most 60 (got {text[:40]!r})")
    return value


def _threads(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= _MAX_THREADS for part in parts):
        raise argparse.ArgumentTypeError(f"must be integers from 1 to {_MAX_THREADS}, such as 1,2 (got {text[:40]!r})")
    return sorted({int(part) for part in parts})


def _default_threads() -> list[int]:
    cores = min(facts.cores(), _MAX_THREADS)
    return sorted({2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores})


def _checked(model: Model, progress: Progress) -> dict[str, Any]:
    """The result of the golden vectors, with a line about it."""
    result = check_golden(model)
    progress.line(
        f"{model.name}: {result['same_labels']} of {result['vectors']} golden vectors have their label, largest "
        f"difference of a logit {result['largest_difference']:.2g}"
        f"{'' if result['passed'] else ': WRONG, so it is not timed'}"
    )
    return result


def _write_notes(conditions: Mapping[str, Any], progress: Progress) -> None:
    """What makes the figures differ from those of an undisturbed device."""
    if conditions["throttled"]:
        progress.line("note: the processor was throttled: it is hot, or its power supply is weak; cool it and repeat")
    drift = conditions["drift"]
    if drift is not None and drift > timing.NOTABLE_DRIFT:
        progress.line(
            f"note: the last rounds took {drift:.2f} times as long as the first: the device became hot or busy; close "
            f"other programs, cool it and repeat"
        )


if __name__ == "__main__":
    script()

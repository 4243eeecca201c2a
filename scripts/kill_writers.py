"""Kill commands that write files with SIGKILL at random moments, and check what they leave behind.

    python scripts/kill_writers.py [COMMAND ...] [--kills 20] [--seed 0]

After each kill, every output must be the old or the new file, whole, and a second run (with --resume where the command
has it) must succeed, produce what an uninterrupted run produces, and remove the temporary files of the first. Half of
the kills come at a moment drawn uniformly over the command's run time, the others within 20 ms after it first touches
its output folder; in both halves every second run has old outputs to replace.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fuzz_commands import make_files
from PIL import Image

_IMAGES = 1500  # for predict: a second's work
_LONG_AGO_S = 60  # temporary files count as abandoned when they are older than 10 s
_PATIENCE_S = 300
_POLL_S = 0.0002


class Writer(NamedTuple):
    """A command that writes into the folder `out`.

    Attributes:
        arguments: of the command.
        outputs: the files whose bytes are the same in every run.
        old: for each output, the file that may be there before; none for commands that continue their outputs.
        is_partial: whether an output that is neither the old nor the new file is what this command may leave.
    """

    arguments: str
    outputs: tuple[str, ...]
    old: str = ""
    is_partial: Callable[[bytes, bytes], bool] = lambda left, new: False


def _is_start(left: bytes, new: bytes) -> bool:
    """Whether predictions are the first ones of all, the last one possibly truncated."""
    return new.startswith(left)


def _is_earlier_epoch(left: bytes, new: bytes) -> bool:
    """Whether a table has the first lines of the finished one."""
    lines, finished = left.decode().splitlines(), new.decode().splitlines()
    return bool(lines) and lines == finished[: len(lines)] and left.endswith(b"\n")


WRITERS = {
    "predict": Writer("many --model model.onnx --resume out/results.jsonl", ("results.jsonl",), is_partial=_is_start),
    "adopt": Writer(
        "plain.onnx --labels labels.txt --mean 0 --std 1 --resize 28 -o out/m.onnx", ("m.onnx",), "model.onnx"
    ),
    "export": Writer("run/model.safetensors --no-temperature -o out/m.onnx", ("m.onnx",), "model.onnx"),
    "quantize": Writer(
        "model.onnx --calibration data --scheme int8-percentile --allow-worse --min-speedup 0 -o out/m.onnx",
        ("m.onnx",),
        "plain.onnx",
    ),
    "train": Writer("data --recipe long.toml --run out --resume", ("model.safetensors",)),
}


class _Moment(NamedTuple):
    """Seconds after the start of a command, or after it first touches its output folder."""

    seconds: float
    after_touch: bool


class Failure(Exception):  # noqa: N818  (the name says what happened)
    """A killed command left what it must not leave."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", default=list(WRITERS), metavar="COMMAND", help=", ".join(WRITERS))
    parser.add_argument("--kills", type=int, default=20, help="number of kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _make_files(folder)
        for name in options.commands:
            failures += _kill_repeatedly(name, folder, options.kills, random.Random(f"{options.seed}/{name}"))
    sys.exit(1 if failures else 0)


def _make_files(folder: Path) -> None:
    make_files(folder)
    (folder / "long.toml").write_text('model = "lenet5"\n[optimize]\nepochs = 60\nbatch_size = 4\nema_decay = 0.9\n')
    rng = random.Random(0)
    (folder / "many").mkdir()
    for number in range(_IMAGES):
        Image.frombytes("RGB", (32, 32), rng.randbytes(3072)).save(folder / f"many/{number:04}.png", compress_level=1)


def _kill_repeatedly(name: str, folder: Path, kills: int, rng: random.Random) -> int:
    """Kill a command several times; print what came of it and return the number of failures."""
    writer, failures = WRITERS[name], 0
    new, names, seconds = _uninterrupted(name, folder)
    killed = too_late = changed = 0
    while killed < kills and too_late <= kills:
        moment = _Moment(rng.uniform(0, seconds), False) if killed % 4 < 2 else _Moment(rng.uniform(0, 0.02), True)
        _empty_output(folder, writer if writer.old and killed % 2 == 1 else None)
        before = _read(folder, writer)
        if not _start_and_kill(name, folder, moment):
            too_late += 1
            continue
        try:
            changed += _check_outputs(writer, before, _read(folder, writer), new)
            seconds = min(seconds, _check_second_run(name, folder, new, names))
        except Failure as failure:
            failures += 1
            print(f"{name}, kill {killed} at {moment}: {failure}", flush=True)
        killed += 1
    print(f"{name}: {killed} kills of a run of {seconds:.1f} s ({too_late} runs ended before),", end=" ")
    print(f"{changed} left a changed output, {failures} failures", flush=True)
    return failures + (killed < kills)


def _uninterrupted(name: str, folder: Path) -> tuple[dict[str, bytes | None], set[str], float]:
    """The outputs of a run that nobody kills, the names of all files that it writes, and its seconds."""
    _empty_output(folder, None)
    seconds = _run(name, folder)
    return _read(folder, WRITERS[name]), _names(folder), seconds


def _empty_output(folder: Path, writer: Writer | None) -> None:
    """Make an output folder: empty, or with a writer's old outputs."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    for output in writer.outputs if writer else ():
        shutil.copyfile(folder / writer.old, folder / "out" / output)  # type: ignore[union-attr]


def _start_and_kill(name: str, folder: Path, moment: _Moment) -> bool:
    """Kill a command, and the processes that it started. Returns False if it has ended before."""
    out, begin = folder / "out", time.monotonic()
    touched = out.stat().st_mtime_ns if moment.after_touch else 0
    process = subprocess.Popen(
        _command(name), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and time.monotonic() - begin < moment.seconds:
        if out.stat().st_mtime_ns == touched:
            begin = time.monotonic()
        time.sleep(_POLL_S)
    is_running = process.poll() is None
    if is_running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return is_running


def _check_outputs(
    writer: Writer,
    before: dict[str, bytes | None],
    left: dict[str, bytes | None],
    new: dict[str, bytes | None],
) -> bool:
    """Check that each output is old, new, or what the command may leave; whether one has changed."""
    for output, data in left.items():
        reference = new[output] or b""
        if data not in (before[output], reference) and not writer.is_partial(data or b"", reference):
            raise Failure(f"{output} has {len(data or b'')} bytes and is neither the old nor the new file")
    return left != before


def _check_second_run(name: str, folder: Path, new: dict[str, bytes | None], names: set[str]) -> float:
    """Check that the next run succeeds, and that nothing of the killed one remains; return its seconds."""
    for path in (folder / "out").iterdir():
        if path.name.startswith(".edgekit-"):
            os.utime(path, (time.time() - _LONG_AGO_S,) * 2)
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
    seconds = _run(name, folder)
    different = [output for output, data in _read(folder, WRITERS[name]).items() if data != new[output]]
    if different:
        raise Failure(f"the next run made another {', '.join(different)} than an uninterrupted one")
    if _names(folder) != names:
        raise Failure(f"the next run left {sorted(_names(folder) ^ names)}")
    return seconds


def _run(name: str, folder: Path) -> float:
    """Run a command to its end; return its seconds."""
    begin = time.monotonic()
    done = subprocess.run(_command(name), cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if done.returncode:
        raise Failure(f"exit status {done.returncode}: {done.stderr[-500:]}")
    return time.monotonic() - begin


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "edgekit", name, *WRITERS[name].arguments.split()]


def _read(folder: Path, writer: Writer) -> dict[str, bytes | None]:
    paths = {output: folder / "out" / output for output in writer.outputs}
    return {output: path.read_bytes() if path.exists() else None for output, path in paths.items()}


def _names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "out").iterdir()}


if __name__ == "__main__":
    main()

"""Fuzz command lines: every command with random options and a folder of good and hostile files.

    python scripts/fuzz_commands.py [--count 2000] [--seed 0]

A command must end within the time limit, with a documented exit status, and if that is not 0 with one line about it.
"""

from __future__ import annotations

import contextlib
import gzip
import inspect
import io
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import Limits, Trial, main, mutated
from PIL import Image

from edgekit.cli.app import COMMANDS
from edgekit.cli.options import Argument, Option
from edgekit.errors import EdgekitError
from edgekit.hub.built_in import built_in_models

# Commands that work hard on good files: only their mistakes are of interest here.
LIMITS = Limits(seconds=120, megabytes=2_500)
NUMBERS = ("0", "1", "-1", "3", "1e9", "nan", "inf", "0.5", ".5", "99999999999999999999", "1,2", "0.5,0.5,0.5", "x")
WORDS = (
    "RGB",
    "L",
    "all",
    "val",
    "center",
    "ten",
    "int8",
    "web",
    "auto",
    "json",
    "",
    "ü",
    "--",
    "a=b",
    "lenet5",
    "resnet18",
)


def prepare(folder: Path) -> Trial:
    files = make_files(folder / "original")
    os.environ |= {"EDGEKIT_HOME": str(folder / "home"), "EDGEKIT_OFFLINE": "1"}
    known = documented_exit_codes()

    def trial(rng: random.Random) -> None:
        work = folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder / "original", work, symlinks=True, copy_function=shutil.copyfile, ignore=_fifos)
        os.mkfifo(work / "fifo")
        os.chdir(work)
        check(command_line(rng, files), known)

    return trial


def _fifos(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (Path(folder, name).is_file() or Path(folder, name).is_dir())]


def check(arguments: list[str], known: frozenset[int]) -> None:
    """Run a command in this process. Raises AssertionError if it ends in any other way than it should."""
    from edgekit.cli.main import main as run_command

    sys.argv = ["edgekit", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_command()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    lines = err.getvalue().splitlines()
    if code not in known or "Traceback" in err.getvalue() or (code and not lines and not out.getvalue()):
        raise AssertionError(f"{arguments}: exit {code}, stderr {err.getvalue()[-300:]!r}")
    if any(line.startswith("error: ") for line in lines[:-1]):
        raise AssertionError(f"{arguments}: more than one line: {lines[-3:]}")


def command_line(rng: random.Random, files: list[str]) -> list[str]:
    """A command with random values for its arguments and some of its options."""
    name, module = rng.choice(tuple(COMMANDS.items()))
    values = [*files, *NUMBERS, *WORDS, "made/new.onnx", "missing"]
    arguments = [name]
    for parameter, annotation in inspect.get_annotations(module.run, eval_str=False).items():
        declared = declaration(module, parameter, annotation)
        if isinstance(declared, Argument):
            arguments += [
                rng.choice(files if rng.random() < 0.8 else values) for _ in range(rng.choice((0, 1, 1, 1, 2)))
            ]
        elif isinstance(declared, Option) and rng.random() < 0.15:
            arguments += [
                declared.spelling(parameter),
                *([rng.choice(values)] if "bool" not in str(annotation) else []),
            ]
    if name == "train":  # a good combination would train for minutes
        arguments += ["--epochs", "1", "--run", "run"]
    return arguments


def declaration(module: Any, parameter: str, annotation: object) -> object:
    """The Option or Argument that a parameter of a command is annotated with."""
    evaluated = eval(str(annotation), {**vars(module)}) if isinstance(annotation, str) else annotation
    return next(iter(getattr(evaluated, "__metadata__", ())), None)


def documented_exit_codes() -> frozenset[int]:
    codes, classes = {0, 130}, [EdgekitError]
    while classes:
        error = classes.pop()
        codes.add(error.exit_code)
        classes += error.__subclasses__()
    return frozenset(codes)


def make_files(folder: Path) -> list[str]:
    """Good files of every kind, damaged ones, and what is no file; their names relative to the folder."""
    rng = random.Random(0)
    for split in ("train", "val"):
        for number in range(6):
            path = folder / f"data/{split}/{'ab'[number % 2]}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((32, 32, 3), 40 * number, np.uint8)).save(path)
    model = built_in_models()["lenet5-mnist"].read_bytes()
    (folder / "model.onnx").write_bytes(model)
    (folder / "labels.csv").write_text("file,label\ndata/train/a/0.png,a\ndata/val/b/1.png,b\n")
    (folder / "labels.txt").write_text("a\nb\n")
    (folder / "recipe.toml").write_text('model = "lenet5"\n')
    (folder / "photo.jpg").write_bytes((folder / "data/train/a/0.png").read_bytes())
    (folder / "zero.gz").write_bytes(gzip.compress(bytes(10**7)))
    (folder / "empty").touch()
    (folder / "noise.pth").write_bytes(rng.randbytes(5000))
    (folder / "data/train/a/loop").symlink_to("..")
    (folder / "self").symlink_to("self")
    for name in ("model.onnx", "labels.csv", "photo.jpg", "recipe.toml"):
        (folder / f"broken-{name}").write_bytes(mutated((folder / name).read_bytes(), rng))
    names = [path.name for path in folder.iterdir()]
    return [*names, "data/train", "data/train/a/0.png", "fifo", "/dev/null", "/dev/zero", "."]


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=2_000, limits=LIMITS)

"""Fuzz command lines: every command with hostile files in the place of good ones, and with random options and values.

    python scripts/fuzz_commands.py [--count 2000] [--seed 0]

A command must end within the limits, with a documented exit status, and if that is not 0 with one line about it. What
onnxruntime, torch and other libraries would write to stderr is a finding, too.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import random
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
from fuzzing import Limits, Trial, main, mutated
from hostile_files import write_hostile_files
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.torch import save_file

from edgekit.cli.app import COMMANDS
from edgekit.cli.options import Option
from edgekit.errors import EXIT_SOME_FAILED, EdgekitError
from edgekit.hub.built_in import built_in_models
from edgekit.serve import server
from edgekit.serve.metrics import MAX_COLUMNS
from edgekit.serve.server import CreateApp
from edgekit.serve.shared_values import SharedValues
from edgekit.zoo.build import build

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "made"))

from made_micro_graphs import write_device

# `bench` measures for 5 s of CPU time, everything else takes less. A minute passes only on very busy machines.
LIMITS = Limits(seconds=60, cpu_seconds=8, megabytes=600)
NUMBERS = ("0", "1", "-1", "3", "1e9", "nan", "inf", "0.5", ".5", "99999999999999999999", "1,2", "0.5,0.5,0.5", "x")
WORDS = ("RGB", "L", "all", "val", "center", "ten", "int8", "web", "auto", "json", "", "ü", "--", "a=b", "lenet5")
# Packages that commands import when they need them: their memory is not that of a case.
_HEAVY = ("torch", "onnxruntime", "onnx", "onnxsim", "matplotlib.pyplot", "safetensors.torch", "pydantic", "yaml")

# Command lines that succeed on the files that `make_files` makes.
GOOD: dict[str, tuple[str, ...]] = {
    "models": ("",),
    "pull": ("lenet5-mnist -o made/pulled.onnx",),
    "train": (
        "data --recipe recipe.toml --run made/run",
        "data --recipe recipe.toml --run run --resume",
        "data --recipe recipe.toml --balance sampler --monitor loss --keep last --run made/balanced",
        "data --recipe recipe.toml --tune head --weights weights.safetensors --epochs 1 --run made/head",
        "data --model lenet5 --tune head --weights weights.safetensors --run made/solved",
    ),
    "fit": (
        "data --latency 9ms --device device.json --network mobilenet_v1 --precision int8 --no-training -o made/fitted",
        "--latency 9ms --size 4MB --device device.json --network mobilenet_v1 --precision int8",
        "--explain mobilenet_v2-cifar10-int8 --device device.json --json",
    ),
    "export": (
        "lenet5 --weights weights.safetensors --labels labels.txt -o made/exported.onnx",
        "run -o made/exported.onnx",
        "run/model.safetensors -o made/exported.onnx",
    ),
    "adopt": (
        "plain.onnx --labels labels.txt --mean 0 --std 1 --resize 28 -o made/adopted.onnx",
        "plain.onnx --labels labels.txt --mean 0 --std 1 --resize 28 --images data -o made/adopted.onnx",
    ),
    "quantize": ("model.onnx --calibration data --scheme float16 --allow-worse -o made/quantized.onnx",),
    "verify": ("model.onnx model.onnx data --tolerance 1",),
    "predict": (
        "photo.jpg --model model.onnx",
        "photo.jpg data --model model.onnx --resume results.jsonl --crops 5",
        "--list list.txt --model model.onnx --csv --save made/saved",
        "data --model model.onnx --output made/predictions.jsonl --shard-size 2",
    ),
    "evaluate": (
        "model.onnx data --report made/report.html",
        "model.onnx labels.csv",
        "model.onnx data --truth truth.csv",
    ),
    "crops": ("model.onnx data --output made/crops.onnx --plot made/plot.png",),
    "bench": ("model.onnx --rounds 6 --threads 1 --image photo.jpg",),
    "inspect": ("model.onnx", "plain.onnx", "model.onnx --layers", "model.onnx --json", "model.onnx --mobile"),
    "serve": ("model.onnx --port 0 --threads 1 --api-key-file keys.txt", "model.onnx --host 0.0.0.0 --workers 2"),
    "bundle": ("model.onnx --for android -o bundle", "model.onnx --for python --data data -o bundle-python"),
    "data": (
        "data --model model.onnx --report made/data.html --csv made/data.csv",
        "labels.csv --no-model --json",
        "data --no-model --truth truth.csv",
    ),
    "doctor": ("",),
}
# The kind of hostile files, as in hostile_files, that take the place of a good one.
KINDS = {
    "data": "data",
    "labels.csv": "data",
    "truth.csv": "data",
    "model.onnx": "model",
    "plain.onnx": "model",
    "photo.jpg": "image",
    "weights.safetensors": "checkpoint",
    "run/model.safetensors": "checkpoint",
    "labels.txt": "text",
    "list.txt": "text",
    "keys.txt": "text",
    "recipe.toml": "text",
    "device.json": "text",
}


def prepare(folder: Path) -> Trial:
    files = make_files(folder / "original")
    hostile = write_hostile_files(folder / "hostile")
    os.environ |= {"EDGEKIT_HOME": str(folder / "home"), "EDGEKIT_OFFLINE": "1"}
    for package in _HEAVY:
        importlib.import_module(package)
    known = documented_exit_codes()

    def trial(rng: random.Random) -> None:
        work = folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder / "original", work, symlinks=True, copy_function=shutil.copyfile, ignore=_fifos)
        os.mkfifo(work / "fifo")
        os.chdir(work)
        line = hostile_line(rng, hostile) if rng.random() < 0.6 else random_line(rng, files, hostile)
        check(line, known, folder / "streams")

    return trial


def _fifos(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (Path(folder, name).is_file() or Path(folder, name).is_dir())]


def check(arguments: list[str], known: frozenset[int], streams: Path) -> None:
    """Run a command in this process. Raises AssertionError if it ends in any other way than it should."""
    from edgekit.cli.main import main as run_command

    sys.argv, code = ["edgekit", *arguments], 0
    with captured(streams), never_waiting():
        try:
            run_command()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    out, err = (Path(f"{streams}-{number}").read_text(encoding="utf-8", errors="replace") for number in (1, 2))
    lines = err.splitlines()
    problems = {
        "undocumented exit status": code not in known,
        "no reason": code and not lines and not out,
        "not one line": code != EXIT_SOME_FAILED and any(line.startswith("error: ") for line in lines[:-1]),
        "foreign output": any(map(_FOREIGN.search, lines)),
        "too long": any(len(line) > _LONGEST for line in lines),
        "control characters": not all(line.isprintable() for line in re.split("[\r\n]", err)),
    }
    if any(problems.values()):
        reasons = ", ".join(reason for reason, holds in problems.items() if holds)
        raise AssertionError(f"{reasons}: {arguments}: exit {code}, stderr {err[-500:]!r}")


# Tracebacks, warnings of Python, and the logs of torch and onnxruntime.
_FOREIGN = re.compile(r"Traceback|\w+Warning: |^\[[WEF]|\[[WEF]:onnxruntime|^Exception ignored|^\w+Error: ")
_LONGEST = 2_200


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """Write what arrives on file descriptors 1 and 2, also from libraries in C++, to files with these suffixes."""
    saved = {}
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        stream.flush()
        saved[number] = os.dup(number)
        file = os.open(f"{path}-{number}", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(file, number)
        os.close(file)
    try:
        yield
    finally:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            stream.flush()
            os.dup2(saved[number], number)
            os.close(saved[number])


@contextmanager
def never_waiting() -> Iterator[None]:
    """Let `edgekit serve` load its models and end, in place of waiting for requests in processes of its own."""

    def load(create: CreateApp, *, options: server.ServerOptions) -> None:
        services = create(SharedValues(1, MAX_COLUMNS), 0).state.services
        services.start()
        services.close()

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with mock.patch.object(server, "serve", load):
        yield
    root.handlers[:] = handlers
    root.setLevel(level)


def hostile_line(rng: random.Random, hostile: dict[str, list[Path]]) -> list[str]:
    """A good command line with one of its files replaced by a hostile one, usually of the expected kind."""
    name = rng.choice(tuple(COMMANDS))
    arguments = rng.choice(GOOD[name]).split()
    places = [number for number, value in enumerate(arguments) if value in KINDS]
    if places:
        place = rng.choice(places)
        kind = KINDS[arguments[place]] if rng.random() < 0.8 else rng.choice(tuple(hostile))
        if arguments[place] == "data" and rng.random() < 0.5:  # a good folder with a hostile image in it
            shutil.copyfile(rng.choice(hostile["image"]), f"data/{rng.choice(('train', 'val'))}/0/hostile.jpg")
        else:
            arguments[place] = copied(rng.choice(hostile[kind]), rng)
    return [name, *arguments]


def copied(path: Path, rng: random.Random) -> str:
    """Copy a hostile file into the current folder, usually with the extension of its kind; return its name."""
    name = "hostile" + (path.name[path.name.index(".") :] if rng.random() < 0.9 else rng.choice((".jpg", ".onnx", "")))
    shutil.copyfile(path, name)
    return name


def random_line(rng: random.Random, files: list[str], hostile: dict[str, list[Path]]) -> list[str]:
    """A good command line with a few values replaced and a few random options added."""
    name, module = rng.choice(tuple(COMMANDS.items()))
    copy = copied(rng.choice(hostile[rng.choice(tuple(hostile))]), rng)
    values = [*files, *NUMBERS, *WORDS, "made/new.onnx", "missing", copy]
    arguments = [rng.choice(values) if rng.random() < 0.2 else value for value in rng.choice(GOOD[name]).split()]
    for parameter, annotation in inspect.get_annotations(module.run, eval_str=False).items():
        declared = declaration(module, parameter, annotation)
        if isinstance(declared, Option) and rng.random() < 1 / 15:
            is_switch = "bool" in str(annotation)
            arguments += [declared.spelling(parameter), *(() if is_switch else (rng.choice(values),))]
    return [name, *arguments]


def declaration(module: Any, parameter: str, annotation: object) -> object:
    """The Option or Argument that a parameter of a command is annotated with."""
    evaluated = eval(str(annotation), {**vars(module)}) if isinstance(annotation, str) else annotation
    return next(iter(getattr(evaluated, "__metadata__", ())), None)


def documented_exit_codes() -> frozenset[int]:
    codes, classes = {0, EXIT_SOME_FAILED, 130}, [EdgekitError]
    while classes:
        error = classes.pop()
        codes.add(error.exit_code)
        classes += error.__subclasses__()
    return frozenset(codes)


def plain_model() -> onnx.ModelProto:
    """A third-party classifier of 28x28 gray images with ten classes."""
    weights = np.random.default_rng(0).normal(0, 0.01, (784, 10)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "weights"], ["y"])],
        "plain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def make_files(folder: Path) -> list[str]:
    """Good and damaged files of every kind, links and devices; their names relative to the folder."""
    rng = random.Random(0)
    for number in range(24):
        path = folder / f"data/{'train' if number < 12 else 'val'}/{number % 2}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (32, 32), rng.randbytes(3072)).save(path)
    (folder / "model.onnx").write_bytes(built_in_models()["lenet5-mnist"].read_bytes())
    onnx.save(plain_model(), folder / "plain.onnx")
    save_file(build("lenet5").state_dict(), folder / "weights.safetensors")
    (folder / "labels.csv").write_text("file,label\ndata/train/0/0.png,0\ndata/val/1/13.png,1\n")
    (folder / "truth.csv").write_text("file,label\ntrain/0/0.png,0\nval/1/13.png,1\n")
    (folder / "labels.txt").write_text("\n".join("0123456789"))
    (folder / "keys.txt").write_text("0123456789abcdef\n")
    (folder / "list.txt").write_text("data/train/0/0.png\ndata/val/1/13.png\n")
    (folder / "recipe.toml").write_text('model = "lenet5"\n[optimize]\nepochs = 1\n')
    (folder / "photo.jpg").write_bytes((folder / "data/train/0/0.png").read_bytes())
    write_device(folder / "device.json")
    (folder / "empty").touch()
    (folder / "noise.pth").write_bytes(rng.randbytes(5000))
    train_once(folder)
    (folder / "data/train/0/loop").symlink_to("..")
    (folder / "self").symlink_to("self")
    for name in ("model.onnx", "labels.csv", "photo.jpg", "recipe.toml", "run/last.safetensors"):
        (folder / f"broken-{Path(name).name}").write_bytes(mutated((folder / name).read_bytes(), rng))
    names = [path.name for path in folder.iterdir()]
    return [*names, "data/train", "data/train/0/0.png", "fifo", "/dev/null", "/dev/zero", "."]


def train_once(folder: Path) -> None:
    from edgekit import dataset
    from edgekit.train import read_recipe, train

    train(read_recipe(folder / "recipe.toml"), *dataset.read_both(folder / "data"), run=folder / "run", workers=0)


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=2_000, limits=LIMITS)

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
import onnx
from fuzzing import Limits, Trial, main, mutated
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.torch import save_file

from edgekit.cli.app import COMMANDS
from edgekit.cli.options import Option
from edgekit.errors import EXIT_SOME_FAILED, EdgekitError
from edgekit.hub.built_in import built_in_models
from edgekit.zoo.build import build

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


# A command line of each command that succeeds on the files that `make_files` makes.
GOOD = {
    "models": "",
    "pull": "lenet5-mnist -o made/pulled.onnx",
    "train": "data --recipe recipe.toml --epochs 1 --run run",
    "export": "lenet5 --weights weights.safetensors --labels labels.txt -o made/exported.onnx",
    "adopt": "plain.onnx --labels labels.txt --mean 0 --std 1 --resize 28 -o made/adopted.onnx",
    "quantize": "model.onnx --calibration data -o made/quantized.onnx",
    "verify": "model.onnx model.onnx data",
    "predict": "photo.jpg --model model.onnx",
    "evaluate": "model.onnx data",
    "crops": "model.onnx data",
    "bench": "model.onnx --rounds 1",
    "inspect": "model.onnx",
    "doctor": "",
}


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
    """A good command line with a few values replaced and a few random options added."""
    name, module = rng.choice(tuple(COMMANDS.items()))
    values = [*files, *NUMBERS, *WORDS, "made/new.onnx", "missing"]
    arguments = [rng.choice(values) if rng.random() < 0.2 else value for value in GOOD[name].split()]
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
    for split in ("train", "val"):
        for number in range(12):
            path = folder / f"data/{split}/{number % 2}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((32, 32, 3), 20 * number, np.uint8)).save(path)
    model = built_in_models()["lenet5-mnist"].read_bytes()
    (folder / "model.onnx").write_bytes(model)
    onnx.save(plain_model(), folder / "plain.onnx")
    save_file(build("lenet5").state_dict(), folder / "weights.safetensors")
    (folder / "labels.csv").write_text("file,label\ndata/train/0/0.png,0\ndata/val/1/1.png,1\n")
    (folder / "labels.txt").write_text("\n".join("0123456789"))
    (folder / "recipe.toml").write_text('model = "lenet5"\n')
    (folder / "photo.jpg").write_bytes((folder / "data/train/0/0.png").read_bytes())
    (folder / "zero.gz").write_bytes(gzip.compress(bytes(10**7)))
    (folder / "empty").touch()
    (folder / "noise.pth").write_bytes(rng.randbytes(5000))
    (folder / "data/train/0/loop").symlink_to("..")
    (folder / "self").symlink_to("self")
    for name in ("model.onnx", "labels.csv", "photo.jpg", "recipe.toml"):
        (folder / f"broken-{name}").write_bytes(mutated((folder / name).read_bytes(), rng))
    names = [path.name for path in folder.iterdir()]
    return [*names, "data/train", "data/train/0/0.png", "fifo", "/dev/null", "/dev/zero", "."]


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=2_000, limits=LIMITS)

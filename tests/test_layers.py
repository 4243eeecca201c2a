"""The layer rules, as tests that fail when they are violated."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_images import encoded, quadrants

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnx", "typer", "pydantic", "click", "rich", "safetensors", "matplotlib", "onnxsim")
LOADED = "import sys; print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
LINT = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports())"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the package in `folder`, by the contracts that lie beside it."""
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {LINT}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_contracts_hold():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


VIOLATIONS = {
    "torch in the predictor": ("runtime/session.py", "import torch"),
    "torch behind a function": ("image/load.py", "def _f() -> None:\n    import torch"),
    "onnx in the wire reader": ("artifact/protobuf.py", "import onnx"),
    "typer in the crops": ("preprocess/crops.py", "import typer"),
    "the zoo in the predictor": ("runtime/classifier.py", "import edgekit.zoo.build"),
    "the command line in the errors": ("errors.py", "import edgekit.cli.render"),
}


@pytest.mark.slow
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_is_found(tmp_path, violation):
    file, line = VIOLATIONS[violation]
    shutil.copytree(ROOT / "edgekit", tmp_path / "edgekit", ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "edgekit" / file
    path.write_text(f"{path.read_text()}\n\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "broken" in done.stdout
    assert f"edgekit.{file.removesuffix('.py').replace('/', '.')}" in done.stdout


def loaded_by(program: str, *arguments: str) -> set[str]:
    """The top-level modules in a process after `program`."""
    command = [sys.executable, "-c", f"{program}\n{LOADED}", *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split())


def test_a_prediction_loads_nothing_heavy(tmp_path, tiny_artifact):
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded(quadrants(), "JPEG"))
    program = "import sys; from edgekit import Classifier; print(Classifier(sys.argv[1]).predict(sys.argv[2]).label)"
    loaded = loaded_by(program, str(tiny_artifact), str(path))
    assert {"onnxruntime", "numpy", "PIL"} <= loaded
    assert loaded.isdisjoint(HEAVY)


def test_an_evaluation_loads_nothing_heavy():
    loaded = loaded_by("import edgekit.evaluate.evaluation, edgekit.report, edgekit.bench.measure, edgekit.zoo.specs")
    assert loaded.isdisjoint(HEAVY)


def test_importing_the_package_loads_nothing_at_all():
    assert loaded_by("import edgekit").isdisjoint({*HEAVY, "numpy", "PIL", "onnxruntime"})


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["predict", "--help"], ["train", "--help"], ["bench", "--help"], ["--version"]],
    ids=" ".join,
)
def test_help_loads_neither_torch_nor_onnxruntime(arguments):
    program = (
        "import sys; from edgekit.cli.main import main\n"
        f"sys.argv = ['edgekit', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    loaded = loaded_by(program)
    assert "typer" in loaded
    assert loaded.isdisjoint({"torch", "onnxruntime", "onnx", "numpy", "PIL"})

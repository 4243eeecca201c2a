"""Imports on demand: packages of extras, and the public names of a package."""

import subprocess
import sys

import pytest

from edgekit import MissingDependency
from edgekit.optional import require


def run(program: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env={})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_unknown_name_is_an_attribute_error_that_suggests_a_close_one():
    done = subprocess.run([sys.executable, "-c", "import edgekit; edgekit.Clasifier"], capture_output=True, text=True)
    assert "module 'edgekit' has no attribute 'Clasifier'. Did you mean: 'Classifier'?" in done.stderr


def test_function_wins_over_a_module_of_its_name_in_any_order():
    for first in ("edgekit.export.adopt", "edgekit.train.screen_images", "edgekit.evaluate.compare_models"):
        door, _, name = first.rpartition(".")
        later = f"from {door} import {name}; import {first}; print(callable({name}), callable({first}))"
        assert run(f"import {first}; {later}") == run(later) == "True True"


def test_missing_package_names_the_extra():
    for door, name, package, extra in (
        ("edgekit.train", "train", "torch", "train"),
        ("edgekit.export", "to_onnx", "torch", "export"),
        ("edgekit.quantize", "quantize", "onnx", "onnx"),
        ("edgekit.serve", "create_app", "starlette", "serve"),
    ):
        program = (
            f"import sys; sys.modules['{package}'] = None\nimport edgekit, {door} as door\n"
            f"try: door.{name}\nexcept edgekit.MissingDependency as error: print(error)"
        )
        assert run(program) == f"{package} is not installed; run: pip install 'edgekit-onnx[{extra}]'"


def test_recipe_and_targets_need_neither_torch_nor_onnx():
    program = (
        "import sys; sys.modules |= {'torch': None, 'onnx': None}\n"
        "from edgekit.train import read_recipe; from edgekit.quantize import target_named; print('imported')"
    )
    assert run(program) == "imported"


def test_require_names_the_extra_of_a_missing_package_only():
    assert require("json.decoder", extra="train").__name__ == "json.decoder"
    with pytest.raises(MissingDependency, match=r"^no_such_package is not installed; run: pip install '.*\[train\]'$"):
        require("no_such_package", extra="train")


def test_require_passes_on_the_error_of_a_package_that_misses_another(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="'no_such_package'"):
        require("broken_package", extra="train")

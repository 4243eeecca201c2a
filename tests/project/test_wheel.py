"""What the wheel contains, and that it works where it is installed."""

import zipfile
from pathlib import Path

import pytest
from made_environments import ROOT, run

from edgekit.hub.built_in import built_in_models

SHIP = ROOT / "examples/ship.png"
MODEL_FILES = {".onnx", ".json", ".toml", ".md", ".template", ".txt"}
BUNDLE_FILES = {".py", ".css", ".html", ".js", ".json", ".kt", ".mjs", ".svg", ".swift", ".txt"}


def test_wheel_contains_the_package_and_the_models_and_nothing_else(wheel):
    names = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    package = [name for name in names if not name.parts[0].endswith(".dist-info")]
    assert {name.parts[0] for name in package} == {"edgekit"}
    models = [name for name in package if name.parts[1] == "models"]
    assert {name.stem for name in models if name.suffix == ".onnx"} == set(built_in_models())
    assert {name.suffix for name in models} == MODEL_FILES
    bundles = [name for name in package if name.parts[1] == "bundle"]
    assert {name.suffix for name in bundles} <= BUNDLE_FILES
    others = {name for name in package if name not in models and name not in bundles}
    scripts = {name for name in others if name.suffix == ".js"}
    assert scripts == {Path("edgekit/serve/page/backend.js")}
    assert {name.suffix for name in others - scripts} <= {".py", ".typed", ".css"} | {Path("LICENSE").suffix}
    assert {name for name in others if not name.suffix} == {Path("edgekit/LICENSE")}
    sources = {path.relative_to(ROOT) for path in (ROOT / "edgekit").rglob("*.py")}
    assert {name for name in package if name.suffix == ".py"} == sources
    assert Path("edgekit/py.typed") in package


def test_wheel_is_small(wheel):
    assert wheel.stat().st_size < 8e6


def test_installed_package_predicts_outside_of_a_source_tree(installed_python, tmp_path):
    code = f"import edgekit; print(edgekit.__file__, edgekit.Classifier().predict({str(SHIP)!r}).label)"
    file, label = run(installed_python, "-c", code, cwd=tmp_path).split()
    assert Path(file).is_relative_to(installed_python.parents[1])
    assert label == "ship"


def test_installed_command_predicts(installed_python, tmp_path):
    assert "ship" in run(installed_python.parent / "edgekit", "predict", SHIP, cwd=tmp_path)


@pytest.mark.parametrize("platform", ["python", "node"])
def test_installed_command_bundles_without_any_extra(installed_python, tmp_path, platform):
    run(installed_python.parent / "edgekit", "bundle", "lenet5-mnist", "--for", platform, "-o", "out", cwd=tmp_path)
    assert "TERMS AND CONDITIONS" in (tmp_path / "out/LICENSE.txt").read_text(encoding="utf-8")
    if platform == "python":
        out = run(installed_python, "-I", "out/classify.pyz", "--self-test", cwd=tmp_path)
        assert out.count("passed  ") == 4

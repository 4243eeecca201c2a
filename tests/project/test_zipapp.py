"""edgekit in a zip archive, beside dependencies that are installed and without any metadata of its own."""

import json
import shutil
import zipapp
import zipfile
from pathlib import Path

import pytest
from made_environments import ROOT, run

from edgekit.hub.built_in import built_in_models

SHIP = ROOT / "examples/ship.png"


@pytest.fixture(scope="module")
def application(wheel, tmp_path_factory) -> Path:
    """What `python -m zipapp` makes of the package and its models."""
    source = tmp_path_factory.mktemp("source")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(source)
    shutil.rmtree(next(source.glob("*.dist-info")))
    target = tmp_path_factory.mktemp("application") / "edgekit.pyz"
    zipapp.create_archive(source, target, main="edgekit.cli.main:script", compressed=True)
    return target


def test_zipapp_predicts_with_the_default_model(application, bare_python, tmp_path):
    assert "ship" in run(bare_python, application, "predict", SHIP, cwd=tmp_path)


def test_zipapp_is_found_by_a_relative_path(application, bare_python):
    assert "ship" in run(bare_python, application.name, "predict", SHIP, "--csv", cwd=application.parent)


def test_zipapp_lists_and_inspects_its_models(application, bare_python, tmp_path):
    listed = json.loads(run(bare_python, application, "models", "--json", cwd=tmp_path))["built_in"]
    assert {model["name"] for model in listed} == set(built_in_models())
    assert "lenet5" in run(bare_python, application, "inspect", "lenet5-mnist", cwd=tmp_path)


def test_zipapp_passes_the_doctor(application, bare_python, tmp_path):
    document = json.loads(run(bare_python, application, "doctor", "--json", cwd=tmp_path))
    assert document["healthy"]
    assert document["findings"] == [finding for finding in document["findings"] if finding["severity"] == "advice"]
    assert document["installation"] == {"location": str(application / "edgekit"), "kind": "zip archive"}
    assert (
        document["machine"]["versions"]["edgekit"]
        == run(bare_python, application, "--version", cwd=tmp_path).split()[1]
    )
    assert document["extras"]["report"] == ["matplotlib"]


def test_library_in_a_zip_archive_pickles_and_evaluates(application, bare_python, tmp_path):
    program = f"""
import pickle, sys
sys.path.insert(0, {str(application)!r})
from edgekit import Classifier
classifier = pickle.loads(pickle.dumps(Classifier("lenet5-mnist")))
print(classifier.path.name, classifier.predict({str(ROOT / "examples/seven.png")!r}).label)
"""
    assert run(bare_python, "-c", program, cwd=tmp_path).split() == ["lenet5-mnist.onnx", "7"]


def test_source_tree_on_the_path_passes_the_doctor_without_metadata(bare_python, tmp_path):
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[1:] = ['doctor']\nimport edgekit.__main__"
    out = run(bare_python, "-c", program, cwd=tmp_path)
    assert str(ROOT / "edgekit") in out

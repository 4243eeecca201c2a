"""Daft's own package in an environment of its own: the example, decoded images, `predict --engine daft`."""

import sys

import pytest
from made_engines import found_by, predicted_rows, rows_by_name
from made_environments import ROOT
from made_jobs import make_job, run_here

from edgekit import Classifier, EdgekitError
from edgekit.engines.daft import DaftEngine, Predictor

PROGRAM = """
import json, runpy, sys
import daft

from edgekit.cli.main import main
from edgekit.engines.daft import Predictor

example, photos, model = sys.argv[1:]
sys.argv = [example, photos, "rows", model]
runpy.run_path(example, run_name="__main__")

paths = [f"{photos}/{number}.png" for number in (1, 2, 4)]
frame = daft.from_pydict({"path": paths, "image": [open(path, "rb").read() for path in paths]})
predict = Predictor(model)
image, path = predict(frame["image"].decode_image(mode="RGB")), predict(frame["path"])
labels = frame.select(image.get("label").alias("image"), path.get("label").alias("path")).to_pydict()

sys.argv = ["edgekit", "predict", "photos", "--model", model, "-o", "out.parquet", "--shard-size", "15"]
sys.argv += ["--engine", "daft"]
try:
    main()
except SystemExit as end:
    status = end.code
print(json.dumps({"labels": labels, "status": status}))
"""


@pytest.fixture(scope="module")
def ran(engine_python, photos, tiny_artifact, tmp_path_factory):
    """The folder of a program that runs all that needs Daft, and its results."""
    folder = tmp_path_factory.mktemp("daft")
    (folder / "photos").symlink_to(photos)
    example = ROOT / "examples" / "bulk" / "daft_udf.py"
    return folder, found_by(engine_python, PROGRAM, example, photos, tiny_artifact, cwd=folder)


@pytest.mark.slow
def test_example_writes_a_row_for_each_image(ran, photos, tiny_artifact):
    folder, _ = ran
    assert rows_by_name(folder / "rows") == predicted_rows(tiny_artifact, photos)


@pytest.mark.slow
def test_predictor_accepts_paths_and_decoded_images(ran, photos, tiny_artifact):
    _, found = ran
    with Classifier(tiny_artifact) as classifier:
        labels = [classifier.predict(photos / f"{number}.png").label for number in (1, 2, 4)]
    assert found["labels"] == {"image": labels, "path": labels}


@pytest.mark.slow
def test_engine_writes_the_parts_that_the_local_engine_writes(ran, tiny_artifact, tmp_path, monkeypatch):
    folder, found = ran
    assert found["status"] == 3  # one image is broken
    monkeypatch.chdir(folder)
    job = make_job(tiny_artifact, "photos", output=tmp_path / "out.parquet")
    run_here(job, shard_size=15)
    parts = sorted(path.name for path in (tmp_path / "out.parquet").glob("part-*"))
    assert parts == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    for part in parts:
        assert rows_by_name(folder / "out.parquet" / part) == rows_by_name(tmp_path / "out.parquet" / part)


def test_missing_package_is_named_with_the_command(monkeypatch, tiny_artifact, photos, tmp_path):
    monkeypatch.setitem(sys.modules, "daft", None)
    job = make_job(tiny_artifact, photos, output=tmp_path / "out.jsonl")
    calls = (lambda: Predictor(tiny_artifact)(None), lambda: list(DaftEngine()(job, [], lambda size, failed: None)))
    for call in calls:
        with pytest.raises(EdgekitError, match=r"^daft is not installed; run: pip install 'daft'$"):
            call()

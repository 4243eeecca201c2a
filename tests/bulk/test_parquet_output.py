"""Parts as Parquet: the columns, their statistics, and what the schema states."""

import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from made_jobs import changed, make_job, rows, run_here, write_photos, write_tar
from made_tags import write_tags

from edgekit import Classifier, MissingDependency
from edgekit.bulk import parquet_output
from edgekit.bulk.parquet_output import ParquetPart, parquet_schema
from edgekit.version import __version__

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def job(tmp_path, monkeypatch, tiny_artifact):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos", 6, broken=(2,))
    return make_job(tiny_artifact, "photos", output="out.parquet", top=3)


def test_rows_have_what_the_records_have(job):
    run_here(job)
    run_here(changed(job, output="out.jsonl"))
    records = rows(Path("out.jsonl"))
    assert rows(Path("out.parquet")) == [
        {
            "path": record["path"],
            "shard": None,
            "label": None if "error" in record else record["top"][0]["label"],
            "probability": None if "error" in record else record["top"][0]["probability"],
            "top": record.get("top"),
            "error": record["error"]["message"] if "error" in record else None,
        }
        for record in records
    ]


def test_the_schema_states_model_options_and_sources(job):
    run_here(job)
    metadata = {
        key.decode(): value.decode() for key, value in pq.read_schema("out.parquet/part-00000.parquet").metadata.items()
    }
    assert metadata["edgekit.version"] == __version__
    assert metadata["edgekit.model"] == "tiny.onnx"
    assert metadata["edgekit.sha256"] == job.models[0].sha256
    assert json.loads(metadata["edgekit.options"]) == job.options()
    assert json.loads(metadata["edgekit.sources"]) == ["photos"]


def test_columns_have_statistics(job):
    run_here(job)
    group = pq.ParquetFile("out.parquet/part-00000.parquet").metadata.row_group(0)
    columns = {group.column(number).path_in_schema: group.column(number) for number in range(group.num_columns)}
    probabilities = [row["probability"] for row in rows(Path("out.parquet")) if row["error"] is None]
    statistics = columns["probability"].statistics
    assert (statistics.min, statistics.max) == (min(probabilities), max(probabilities))
    assert columns["error"].statistics.null_count == 5
    assert columns["path"].statistics.max == "photos/6.png"
    assert columns["path"].compression == "ZSTD"


def test_logits_and_unknown_images(job, tiny_artifact):
    run_here(changed(job, logits=True, unknown_below=1.0, sources=("photos/1.png",)))
    (row,) = rows(Path("out.parquet"))
    prediction = Classifier(tiny_artifact, threads=1).predict("photos/1.png")
    assert (row["label"], row["logit"]) == ("unknown", prediction.logits[prediction.top[0].index])
    assert "probability" not in row
    assert row["top"][0] == {"label": prediction.label, "index": prediction.top[0].index, "logit": row["logit"]}


def test_multi_label_rows_have_their_labels(job, tmp_path):
    tags = make_job(write_tags(tmp_path / "tags.onnx"), "photos", output="tags.parquet", top=4)
    run_here(tags)
    run_here(changed(tags, output="tags.jsonl"))
    for row, record in zip(rows(Path("tags.parquet")), rows(Path("tags.jsonl")), strict=True):
        assert row["labels"] == record.get("labels")
        if row["labels"]:
            assert row["label"] == row["labels"][0]["label"]
        elif row["error"] is None:
            assert row["label"] == "none"


def test_rows_of_shards_name_them(job):
    write_tar(Path("a.tar"), ["photos/1.png", "photos/2.png"])
    run_here(changed(job, sources=("a.tar",)))
    assert [(row["path"], row["shard"], row["error"] is None) for row in rows(Path("out.parquet"))] == [
        ("1", "a.tar", True),
        ("2", "a.tar", False),
    ]


def test_row_groups_are_bounded_by_rows_and_by_scores(job, monkeypatch):
    schema = parquet_schema(job, is_multi_label=False)
    for name, limit, groups in (("_GROUP_ROWS", 2000, [2000, 2000, 500]), ("_GROUP_BYTES", 1, [1000] * 4 + [500])):
        file = BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(parquet_output, name, limit)
            part = ParquetPart(file, schema)
            for number in range(4500):
                part.write({"path": str(number), "top": [{"label": "a", "index": 0, "probability": 0.5}]})
            part.close()
        metadata = pq.ParquetFile(file).metadata
        assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == groups
        assert pq.read_table(file)["path"].to_pylist() == list(map(str, range(4500)))
    part = ParquetPart(BytesIO(), schema)
    scores = [{"label": "a", "index": 0, "probability": 0.5}] * 1000
    for number in range(25):
        part.write({"path": str(number), "top": scores})
        assert len(part._rows) < 10
    assert np.sum([batch.num_rows for batch in part._batches]) == 20


def test_names_that_are_not_utf8_are_escaped(job):
    file = BytesIO()
    part = ParquetPart(file, parquet_schema(job, is_multi_label=False))
    part.write({"path": "a\udcff.png", "error": {"type": "ImageError", "message": "a\udcff.png: broken"}})
    part.close()
    (row,) = pq.read_table(file).to_pylist()
    assert (row["path"], row["error"]) == ("a\\xff.png", "a\\xff.png: broken")


def test_without_pyarrow_the_extra_is_named(job, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"pyarrow is not installed; run: pip install 'edgekit-onnx\[bulk\]'"):
        run_here(job)

import pickle
from pathlib import Path

import pytest
from made_jobs import make_job, rows, run_here, write_photos, write_tar

from edgekit import ArtifactError, DataError
from edgekit.engines import shard_worker


@pytest.fixture(autouse=True)
def _nothing_open():
    shard_worker._opened.cache_clear()


def engine(folder):
    """An engine that sends everything through pickles, as those of clusters do."""

    def predict(job, shards, on_image):
        for shard in shards:
            job, shard = pickle.loads(pickle.dumps((job.portable(), shard)))
            yield pickle.loads(pickle.dumps(shard_worker.predict_shard(job, shard, str(folder))))

    return predict


def run_with(engine, job, **arguments):
    from edgekit.bulk.run_job import run_job

    return run_job(job, engine=engine, **arguments)


def test_worker_writes_the_parts_of_the_local_engine(tiny_artifact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = write_photos(Path("photos"), 7, broken=(2,))
    write_tar(Path("shard.tar"), images[:3])
    totals = []
    for output, run in (
        ("here.jsonl", run_here),
        ("there.jsonl", lambda job, **a: run_with(engine(tmp_path), job, **a)),
    ):
        job = make_job(tiny_artifact, "shard.tar", "photos", output=output)
        totals.append(run(job, shard_size=3))
    assert totals[0] == totals[1]
    assert rows(Path("here.jsonl")) == rows(Path("there.jsonl"))
    parts = [[part.read_bytes() for part in sorted(Path(name).glob("part*"))] for name in ("here.jsonl", "there.jsonl")]
    assert parts[0] == parts[1]


def test_worker_opens_the_model_once_for_a_job(tiny_artifact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = make_job(tiny_artifact, *write_photos(tmp_path / "photos", 6), output=tmp_path / "out.jsonl")
    run_with(engine(tmp_path), job, shard_size=2)
    assert shard_worker._opened.cache_info()[:2] == (2, 1)


def test_relative_paths_need_the_folder_of_the_driver(tiny_artifact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_photos(Path("photos"), 2)
    job = make_job(tiny_artifact, "photos", output="out.jsonl")
    with pytest.raises(DataError) as caught:
        run_with(engine(tmp_path / "absent"), job)
    assert f"{tmp_path}/absent: a worker on " in str(caught.value)
    assert "cannot enter the driver's folder: No such file or directory; use absolute paths" in str(caught.value)


def test_absolute_paths_do_not_need_the_folder_of_the_driver(tiny_artifact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tar(tmp_path / "shard.tar", write_photos(Path("photos"), 2))
    job = make_job(tiny_artifact, tmp_path / "shard.tar", output=tmp_path / "out.jsonl")
    assert run_with(engine(tmp_path / "absent"), job).images == 2


def test_model_that_has_changed_is_an_error_of_the_driver(tiny_artifact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model.onnx"
    model.write_bytes(tiny_artifact.read_bytes())
    job = make_job(model, *write_photos(tmp_path / "photos", 2), output=tmp_path / "out.jsonl")
    model.write_bytes(b"another")
    with pytest.raises(ArtifactError, match="has changed since the job was started"):
        run_with(engine(tmp_path), job)

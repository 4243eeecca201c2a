"""Shards become parts: the same as one process predicts, whoever writes them, and none for a broken shard."""

import pickle
from pathlib import Path

import pytest
from made_jobs import make_job, rows, write_photos, write_tar

from edgekit import Classifier, EdgekitError
from edgekit.bulk.job_shards import plan_shards
from edgekit.bulk.predict_shards import ShardPredictor, predict_shards
from edgekit.runtime.json_record import json_record


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = write_photos(tmp_path / "photos", 9, broken=(4,))
    for number in range(3):
        write_tar(f"{number}.tar", paths[3 * number : 3 * number + 3])
    return paths


@pytest.fixture
def job(photos, tiny_artifact):
    return make_job(tiny_artifact, "{0..2}.tar", output="out.jsonl", top=2)


def results_of(job, shards, **arguments):
    with job.open_predictor() as predictor:
        return list(predict_shards(job, shards, predictor=predictor, **arguments))


def test_parts_have_the_records_of_one_process(job, photos, tiny_artifact):
    counted = []
    shards = plan_shards(job, shard_size=1).shards
    results = results_of(job, shards, on_image=lambda size, failed: counted.append((size, failed)), workers=2)
    images = [Path(photo).read_bytes() for photo in photos]
    outcomes = Classifier(tiny_artifact, threads=1).predict_many(images, top=2)
    records = [
        json_record(str(number), outcome, model="tiny.onnx") | {"shard": f"{(number - 1) // 3}.tar"}
        for number, outcome in enumerate(outcomes, 1)
    ]
    written = rows(Path("out.jsonl"))
    assert written[3]["error"].pop("message").startswith("4: not an image")
    records[3]["error"].pop("message")
    assert written == records
    assert [(result.number, result.rows, result.failed, result.error) for result in results] == [
        *((0, 3, 0, ""), (1, 3, 1, ""), (2, 3, 0, "")),
    ]
    assert [result.size_bytes for result in results] == [
        part.stat().st_size for part in sorted(Path("out.jsonl").iterdir())
    ]
    assert counted == [(len(image), number == 4) for number, image in enumerate(images, 1)]


@pytest.mark.parametrize("extension", [".jsonl", ".parquet"])
def test_a_worker_writes_the_same_bytes_as_a_stream(photos, tiny_artifact, extension):
    jobs = [make_job(tiny_artifact, "{0..2}.tar", output=f"{name}{extension}") for name in ("stream", "single")]
    shards = plan_shards(jobs[0], shard_size=1).shards
    streamed = results_of(jobs[0], shards, workers=3)
    predictor = ShardPredictor(pickle.loads(pickle.dumps(jobs[1].portable())))
    single = [predictor.predict(pickle.loads(pickle.dumps(shard))) for shard in reversed(shards)]
    predictor.close()
    assert single[::-1] == streamed
    first, second = ({part.name: part.read_bytes() for part in Path(job.output).iterdir()} for job in jobs)
    assert first == second
    assert len(first) == 3


def test_a_shard_that_breaks_off_has_no_part_and_stops_no_other(job):
    whole = Path("1.tar").read_bytes()
    Path("1.tar").write_bytes(whole[: len(whole) // 4])
    results = results_of(job, plan_shards(job, shard_size=1).shards)
    assert [(result.number, result.rows) for result in results] == [(0, 3), (1, 0), (2, 3)]
    assert "1.tar" in results[1].error
    assert sorted(path.name for path in Path("out.jsonl").iterdir()) == ["part-00000.jsonl", "part-00002.jsonl"]


def test_an_empty_shard_has_an_empty_part(job, tiny_artifact):
    write_tar("0.tar", [])
    for output in ("out.jsonl", "out.parquet"):
        job = make_job(tiny_artifact, "{0..2}.tar", output=output)
        results = results_of(job, plan_shards(job, shard_size=1).shards)
        assert [result.rows for result in results] == [0, 3, 3]
        assert len(rows(Path(output))) == 6


def test_a_part_that_cannot_be_written_ends_the_job(job):
    Path("out.jsonl").mkdir()
    Path("out.jsonl/part-00001.jsonl").mkdir()
    with pytest.raises(EdgekitError, match=r"part-00001\.jsonl: cannot be written"):
        results_of(job, plan_shards(job, shard_size=1).shards)


def test_images_are_read_a_bounded_number_ahead(job, photos, monkeypatch):
    write_tar("0.tar", [photos[0]] * 200)
    read, most = 0, 0
    shard = plan_shards(job, shard_size=1).shards[0]
    records = type(shard).records

    def counting(self, job):
        nonlocal read
        for record in records(self, job):
            read += 1
            yield record

    monkeypatch.setattr(type(shard), "records", counting)

    done = 0

    def on_image(size, failed):
        nonlocal done, most
        most, done = max(most, read - done), done + 1

    results_of(job, [shard], on_image=on_image, workers=2)
    assert done == 200
    assert most <= 8 * 2 + 1

"""What a job is: settings, models, and what it becomes in another process."""

import pickle

import pytest
from made_jobs import changed, make_job, write_photos
from made_models import LABELS, write_tiny

from edgekit import ArtifactError, Classifier, SpecError
from edgekit.bulk.job import JobModel


@pytest.fixture
def job(tmp_path, tiny_artifact):
    return make_job(tiny_artifact, "photos", output=tmp_path / "out.parquet", top=2)


def test_job_refuses_an_output_of_another_kind(tmp_path, tiny_artifact):
    for output in ("out", "out.csv", "s3://bucket/out?region=x.parquet", ".parquet/out"):
        with pytest.raises(SpecError, match=r"`output` must be a folder whose name ends in \.parquet or \.jsonl"):
            make_job(tiny_artifact, "photos", output=output)
    outputs = ("a.parquet/", "a.PARQUET", "s3://bucket/a.parquet?region=eu", "a.jsonl")
    formats = [make_job(tiny_artifact, output=output).format for output in outputs]
    assert formats == [".parquet"] * 3 + [".jsonl"]


def test_settings_have_all_that_changes_the_parts(job, tmp_path):
    other = write_tiny(tmp_path / "other.onnx", labels=LABELS[::-1])
    changes = [
        *({"top": 3}, {"plan": "ten"}, {"budget": 2.0}, {"average": "logits"}, {"unknown_below": 0.5}),
        *({"exact": True}, {"logits": True}, {"short_names": True}, {"weights": (1.0,)}, {"provider": "cuda"}),
        *({"limits": job.limits._replace(max_pixels=9)}, {"output": str(tmp_path / "out.jsonl")}),
        {"models": (JobModel.read("other", str(other)),)},
    ]
    settings = [changed(job, **change).settings() for change in changes]
    assert all(setting != job.settings() for setting in settings)
    assert changed(job, timeout_s=3).settings() == job.settings()


def test_portable_job_needs_no_files(job, tmp_path, tiny_artifact):
    paths = write_photos(tmp_path / "photos", 3)
    sent = pickle.loads(pickle.dumps(job.portable()))
    assert sent.models[0].source == tiny_artifact.read_bytes()
    assert sent.settings() == job.settings()
    with sent.open_predictor() as predictor:
        results = list(sent.predict_many(predictor, paths, workers=1))
    assert results == list(Classifier(tiny_artifact, threads=1).predict_many(paths, top=2))


def test_job_averages_models_by_their_weights(job, tmp_path, tiny_artifact):
    (path,) = write_photos(tmp_path / "photos", 1)
    other = JobModel.read("other", str(write_tiny(tmp_path / "other.onnx", labels=LABELS[::-1])))
    both = changed(job, models=(*job.models, other), weights=(3.0, 1.0), top=4)
    with both.open_predictor() as predictor:
        (result,) = both.predict_many(predictor, [path], workers=1)
    members = [Classifier(model.source, threads=1).predict(path) for model in both.models]
    expected = {score.label: 0.75 * score.probability for score in members[0].top}
    for score in members[1].top:
        expected[score.label] += 0.25 * score.probability
    assert {score.label: score.probability for score in result.top} == pytest.approx(expected)
    assert both.record(path, result, shard=None)["model"] == "tiny.onnx + other"


def test_a_model_that_changes_under_a_job_is_refused(tmp_path):
    model = write_tiny(tmp_path / "model.onnx")
    job = make_job(model, output=tmp_path / "out.parquet")
    write_tiny(model, labels=LABELS[::-1])
    with pytest.raises(ArtifactError, match=r"model\.onnx: has changed since the job was started"):
        job.open_predictor()


def test_options_of_addresses_are_not_written_down(tmp_path, tiny_artifact):
    job = make_job(tiny_artifact, "s3://key:secret@b/a.tar?region=x", output="s3://key:secret@b/out.parquet?region=x")
    assert "secret" not in str([job.shown_output, job.shown_sources, job.settings()])

"""The manifest: whole at any moment, continued only by the same job."""

import json
import multiprocessing
from pathlib import Path

import pytest
from made_jobs import changed, make_job

from edgekit import DataError
from edgekit.bulk import manifest as manifest_module
from edgekit.bulk.manifest import Manifest, ShardResult, locked, new_document

RESULT = ShardResult(number=0, rows=5, failed=1, size_bytes=99, sha256="ab")
PLAN = {
    "image_list": "cd",
    "shards": [{"begin": 0, "size_bytes": 9, "images": 5}, {"path": "s3://b/a.tar", "size_bytes": 7}],
}


@pytest.fixture
def job(tmp_path, tiny_artifact):
    return make_job(tiny_artifact, "photos", output=tmp_path / "out.parquet", top=2)


@pytest.fixture
def manifest(job):
    return Manifest(job, new_document(job, shard_size=5, plan=PLAN))


def path_of(job):
    return Path(job.output, "_manifest.json")


def test_manifest_is_read_as_it_was_written(job, manifest):
    assert Manifest.read(job) is None
    manifest.add(RESULT)
    again = Manifest.read(job)
    assert again.parts == {0: RESULT}
    assert again.document == manifest.document
    again.check_settings(job.settings())
    again.check_plan(PLAN)
    document = json.loads(path_of(job).read_text())
    assert document["sources"] == ["photos"]
    assert document["models"] == ["tiny.onnx"]
    assert document["settings"]["model"] == [job.models[0].sha256]
    assert document["parts"] == {"0": {"rows": 5, "failed": 1, "size_bytes": 99, "sha256": "ab"}}


def test_manifest_of_another_job_is_refused_by_what_differs(job, manifest):
    other = changed(job, top=3, plan="ten")
    with pytest.raises(DataError, match=r"is of another job: `top` 2, now 3; `plan` 'center', now 'ten'; choose"):
        manifest.check_settings(other.settings())
    renamed = changed(job, models=(job.models[0]._replace(sha256="0" * 64),))
    with pytest.raises(DataError, match=rf"`model` {job.models[0].sha256[:12]}, now {'0' * 12}; choose"):
        manifest.check_settings(renamed.settings())


def test_manifest_of_other_images_is_refused(manifest):
    with pytest.raises(DataError, match="for 5 image files and 1 input shards, now with other names or sizes; choose"):
        manifest.check_plan({**PLAN, "image_list": "ef"})
    more = {**PLAN, "shards": [*PLAN["shards"], {"begin": 9, "size_bytes": 9, "images": 3}]}
    with pytest.raises(
        DataError, match="for 5 image files and 1 input shards, now 8 image files and 1 input shards; choose"
    ):
        manifest.check_plan(more)


def test_a_broken_document_is_refused(job, manifest):
    manifest.write()
    for content in ("", "[]", "{}", '{"schema": 1}', '{"schema": 1, "parts": {"x": {}}}', "[" * 10**5):
        path_of(job).write_text(content)
        with pytest.raises(DataError, match=r"_manifest\.json: is not a manifest of edgekit"):
            Manifest.read(job)
    path_of(job).write_text('{"schema": 2, "parts": {}}')
    with pytest.raises(DataError, match="schema 2, written by a later edgekit"):
        Manifest.read(job)


def test_a_large_document_is_not_written_after_each_of_many_shards(job, manifest, monkeypatch):
    clock, written = 0.0, []
    monkeypatch.setattr(manifest_module.time, "monotonic", lambda: clock)

    def write(path, data):
        nonlocal clock
        clock += 0.5
        written.append(len(json.loads(data)["parts"]))

    monkeypatch.setattr(manifest._store, "write", write)
    for number in range(100):
        clock += 1.0
        manifest.add(RESULT._replace(number=number))
    manifest.write()
    manifest.write()
    assert written == [1, 11, 21, 31, 41, 51, 61, 71, 81, 91, 100]


def _lock(output, queue):
    try:
        with locked(output):
            queue.put("locked")
    except DataError as error:
        queue.put(str(error))


def test_an_output_is_locked_for_other_processes(job):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_lock, args=(job.output, queue))
    with locked(job.output):
        process.start()
        assert "another edgekit is writing to it" in queue.get(timeout=60)
    process.join()
    with locked(job.output):
        pass


def test_a_file_is_not_an_output(job):
    Path(job.output).touch()
    with pytest.raises(DataError, match="is a file; the output is a folder of part files"), locked(job.output):
        pass
    with (
        pytest.raises(DataError, match="the folder of the output cannot be created: Not a directory"),
        locked(f"{job.output}/x.parquet"),
    ):
        pass

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
    "shards": [
        {"begin": 0, "size_bytes": 9, "images": 5},
        {"path": "s3://b/a.tar", "size_bytes": 7, "modified_ns": 1},
    ],
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
    manifest.write()
    manifest.add(RESULT)
    again = Manifest.read(job)
    assert again.parts == {0: RESULT}
    assert again.document == manifest.document
    again.check_settings(job.settings())
    again.update_plan(PLAN)
    again.write()
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
    with pytest.raises(DataError, match="for 5 image files and 1 input shards, now with other names; choose"):
        manifest.update_plan({**PLAN, "image_list": "ef"})
    more = {**PLAN, "shards": [*PLAN["shards"], {"begin": 9, "size_bytes": 9, "images": 3}]}
    with pytest.raises(
        DataError, match="for 5 image files and 1 input shards, now 8 image files and 1 input shards; choose"
    ):
        manifest.update_plan(more)


@pytest.mark.parametrize("change", [{"size_bytes": 8}, {"modified_ns": 2}])
def test_an_input_shard_may_change_until_it_is_predicted(job, manifest, change):
    now = {**PLAN, "shards": [PLAN["shards"][0], {**PLAN["shards"][1], **change}]}
    manifest.update_plan(now)
    manifest.add(RESULT._replace(number=1))
    again = Manifest.read(job)
    again.update_plan(now)
    with pytest.raises(DataError, match=r"1 input shards were written anew .*such as 's3://b/a\.tar'; choose another"):
        again.update_plan(PLAN)


def test_a_broken_document_is_refused(job, manifest):
    manifest.write()
    foreign = '{"schema": 1, "shards": [], "parts": {"0": {}}}'
    for content in (
        "",
        "[]",
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "shards": [], "parts": {}}',
        '{"schema": 1, "parts": {"x": {}}}',
        foreign,
        "[" * 10**5,
    ):
        path_of(job).write_text(content)
        with pytest.raises(DataError, match=r"_manifest\.json: is not a manifest of edgekit"):
            Manifest.read(job)
    path_of(job).write_text('{"schema": 2, "parts": {}}')
    with pytest.raises(DataError, match="schema 2, written by a later edgekit"):
        Manifest.read(job)


def test_a_slow_store_is_written_at_most_half_of_the_time(job, manifest, monkeypatch):
    clock, recorded = 0.0, []
    monkeypatch.setattr(manifest_module.time, "monotonic", lambda: clock)

    def write(path, data):
        nonlocal clock
        clock += 0.05
        recorded.append(len(json.loads(data)))

    monkeypatch.setattr(manifest._store, "write", write)
    for number in range(12):
        clock += 0.02
        manifest.add(RESULT._replace(number=number))
    assert recorded == [1, 4, 7, 10]
    manifest.write()
    assert set(manifest.parts) == set(range(12))


def test_no_finished_shard_is_lost_while_the_document_is_written_rarely(job, manifest, monkeypatch):
    document = {**manifest.document, "shards": [PLAN["shards"][1]] * 600}
    monkeypatch.setattr(manifest_module, "_QUICK_S", 60)
    manifest, writes = Manifest(job, document), 0
    manifest.write()
    write = manifest.write

    def counted_write():
        nonlocal writes
        writes += 1
        write()

    monkeypatch.setattr(manifest, "write", counted_write)
    for number in range(600):
        manifest.add(RESULT._replace(number=number))
        if number in (0, 255, 256, 257, 599):
            assert Manifest.read(job).parts == manifest.parts
    assert writes == 2
    continued = Manifest.read(job)
    continued.add(RESULT._replace(rows=1))
    assert Manifest.read(job).parts == {**manifest.parts, 0: RESULT._replace(rows=1)}
    continued.write()
    assert Manifest.read(job).parts == continued.parts
    assert not Path(job.output, "_recent.json").exists()


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

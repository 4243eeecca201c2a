"""The driver: everything once, resumed after interruptions, refused where it would mix jobs."""

import os
from pathlib import Path

import pytest
from made_jobs import changed, make_job, rows, run_here, write_photos, write_tar

from edgekit import DataError
from edgekit.bulk.predict_shards import predict_shards
from edgekit.bulk.run_job import JobTotals, run_job


@pytest.fixture
def job(tmp_path, monkeypatch, tiny_artifact):
    """Twelve images, of which one is broken."""
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos", 12, broken=(5,))
    return make_job(tiny_artifact, "photos", output="out.jsonl")


def parts(output="out.jsonl"):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path(output).glob("part-*")}


def interrupted(job, after, *, error=KeyboardInterrupt):
    """Run a job whose engine is interrupted after some shards."""
    with job.open_predictor() as predictor:

        def engine(job, shards, on_image):
            yield from predict_shards(job, shards[:after], on_image, predictor=predictor, workers=1)
            raise error

        with pytest.raises(error):
            run_job(job, engine=engine, shard_size=3)


def test_a_job_predicts_every_image_once_in_order(job):
    notes = []
    assert run_here(job, shard_size=5, notes=notes) == JobTotals(3, 12, 1, ())
    assert notes == ["3 shards, 12 image files"]
    written = rows(Path("out.jsonl"))
    assert [row["path"] for row in written] == [f"photos/{number}.png" for number in range(1, 13)]
    assert [row["path"] for row in written if "error" in row] == ["photos/5.png"]


def test_a_rerun_continues_with_what_is_missing(job):
    interrupted(job, 2)
    before, notes = parts(), []
    assert sorted(before) == ["part-00000.jsonl", "part-00001.jsonl"]
    assert run_here(job, notes=notes) == JobTotals(4, 12, 1, ())
    assert notes == ["2 of 4 shards are finished"]
    after = parts()
    assert {name: after[name] for name in before} == before
    assert [row["path"] for row in rows(Path("out.jsonl"))] == [f"photos/{number}.png" for number in range(1, 13)]
    assert run_here(job, notes=notes) == JobTotals(4, 12, 1, ())
    assert notes[1:] == ["4 of 4 shards are finished"]
    assert parts() == after


def test_parts_that_are_gone_or_changed_are_predicted_again(job):
    run_here(job, shard_size=3)
    before = {name: data for name, (data, _) in parts().items()}
    Path("out.jsonl/part-00001.jsonl").unlink()
    Path("out.jsonl/part-00003.jsonl").write_bytes(b"{}\n")
    notes = []
    assert run_here(job, notes=notes) == JobTotals(4, 12, 1, ())
    assert notes[0].startswith("2 parts are missing or changed, such as part-00001.jsonl; predicting them again")
    assert {name: data for name, (data, _) in parts().items()} == before


def test_other_jobs_are_refused_and_change_nothing(job):
    run_here(job, shard_size=3)
    before = parts(), Path("out.jsonl/_manifest.json").read_bytes()
    Path("photos/new.png").write_bytes(Path("photos/1.png").read_bytes())
    for other, size, message in (
        (changed(job, top=3), None, "is of another job: `top` 1, now 3"),
        (job, 4, "was started with `shard_size` 3; leave it out or choose another output"),
        (job, None, "was started for 12 image files and 0 input shards, now 13 image files"),
    ):
        with pytest.raises(DataError, match=message):
            run_here(other, shard_size=size)
    assert (parts(), Path("out.jsonl/_manifest.json").read_bytes()) == before


def test_a_folder_with_other_files_is_refused(job):
    Path("out.jsonl").mkdir()
    Path("out.jsonl/notes.txt").touch()
    with pytest.raises(DataError, match=r"has files, but no manifest of a job: out\.jsonl/notes\.txt; choose another"):
        run_here(job)
    assert [path.name for path in Path("out.jsonl").iterdir() if path.name != "_lock"] == ["notes.txt"]


def test_a_job_killed_before_its_manifest_starts_anew(job):
    Path("out.jsonl").mkdir()
    for name in ("_lock", "_images.jsonl"):
        Path("out.jsonl", name).write_text("half")
    assert run_here(job) == JobTotals(1, 12, 1, ())


def test_a_job_without_any_part_may_become_another_one(job):
    with pytest.raises(DataError, match="the engine ended without"):
        run_job(job, engine=lambda job, shards, on_image: (result for result in ()), shard_size=3)
    other = changed(job, top=2)
    assert run_here(other) == JobTotals(4, 12, 1, ())
    assert {len(row["top"]) for row in rows(Path("out.jsonl")) if "error" not in row} == {2}
    Path("out.jsonl/_manifest.json").write_text(
        Path("out.jsonl/_manifest.json").read_text().split('"parts"')[0] + '"parts": {}}'
    )
    with pytest.raises(DataError, match="is of another job: `top` 2, now 1"):  # its parts would stay between ours
        run_here(job)


def test_an_unreadable_shard_is_reported_and_tried_again(job):
    photos = [f"photos/{number}.png" for number in (1, 2, 3)]
    for name in "ab":
        write_tar(f"{name}.tar", photos)
    whole = Path("b.tar").read_bytes()
    job = changed(job, sources=("{a,b}.tar",))
    Path("b.tar").write_bytes(b"\1" * len(whole))
    totals = run_here(job)
    assert totals[:3] == (2, 3, 0)
    assert len(totals.unreadable) == 1
    assert "b.tar" in totals.unreadable[0]
    write_tar("b.tar", photos[:2])
    assert run_here(job) == JobTotals(2, 5, 0, ())
    written = Path("a.tar").stat()
    os.utime("a.tar", ns=(written.st_atime_ns, written.st_mtime_ns + 10**9))
    with pytest.raises(
        DataError, match=r"1 input shards were written anew after they were predicted, such as 'a\.tar'"
    ):
        run_here(job)


def test_an_engine_that_loses_shards_is_noticed(job):
    with pytest.raises(DataError, match="the engine ended without the results of 4 shards"):
        run_job(job, engine=lambda job, shards, on_image: (result for result in ()), shard_size=3)


def test_results_in_any_order_and_twice_count_once(job):
    with job.open_predictor() as predictor:

        def engine(job, shards, on_image):
            for shard in (*reversed(shards), shards[1]):
                yield from predict_shards(job, [shard], predictor=predictor)

        assert run_job(job, engine=engine, shard_size=3) == JobTotals(4, 12, 1, ())
    assert len(rows(Path("out.jsonl"))) == 12


def test_temporary_files_of_killed_workers_are_removed(job):
    Path("out.jsonl").mkdir()
    left = Path("out.jsonl/.edgekit-00000000-0123.tmp")
    left.touch()
    os.utime(left, (0, 0))
    run_here(job)
    assert not left.exists()


def test_an_object_store_gets_the_same_parts_and_is_continued(job):
    filesystem = pytest.importorskip("fsspec").filesystem("memory")
    pytest.importorskip("pyarrow")
    filesystem.mkdir("/bucket")
    remote = changed(job, output="memory://bucket/out.jsonl")
    interrupted(remote, 1)
    notes = []
    assert run_here(remote, notes=notes) == JobTotals(4, 12, 1, ())
    assert notes == ["1 of 4 shards are finished"]
    run_here(job, shard_size=3)
    stored = {path.rpartition("/")[2]: filesystem.cat(path) for path in filesystem.find("/bucket/out.jsonl")}
    filesystem.rm("/bucket", recursive=True)
    local = {path.name: path.read_bytes() for path in Path("out.jsonl").iterdir() if path.name != "_lock"}
    assert stored.keys() == local.keys()
    assert {name: data for name, data in stored.items() if name != "_manifest.json"} == {
        name: data for name, data in local.items() if name != "_manifest.json"
    }

"""How sources are cut into shards, and what the shards are read as."""

import os
import pickle
from pathlib import Path

import pytest
from made_jobs import make_job, write_photos, write_tar

from edgekit import DataError, ImageError, SpecError
from edgekit.bulk.job_shards import IMAGE_LIST, plan_shards
from edgekit.image.load import load_image
from edgekit.shards import ShardLayout


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_photos(tmp_path / "photos", 7)


def planned(job, shard_size):
    """The plan, with the list of images written as the driver does it."""
    lines = []
    plan = plan_shards(job, shard_size=shard_size, write=lines.append)
    Path(job.output).mkdir(exist_ok=True)
    Path(job.output, IMAGE_LIST).write_bytes(b"".join(lines))
    return plan


def read(plan, job):
    return [[record.path for record in shard.records(job)] for shard in plan.shards]


def test_files_are_cut_into_shards_of_the_size(photos, tiny_artifact):
    job = make_job(tiny_artifact, "photos", output="out.parquet")
    plan = planned(job, 3)
    names = [f"photos/{number}.png" for number in range(1, 8)]
    assert read(plan, job) == [names[:3], names[3:6], names[6:]]
    assert [shard.images for shard in plan.shards] == [3, 3, 1]
    assert [shard.part_name(job) for shard in plan.shards] == [f"part-0000{number}.parquet" for number in range(3)]
    assert len(pickle.dumps(plan.shards[0])) < 300


def test_input_shards_keep_their_borders_between_files(photos, tiny_artifact):
    write_tar("b.tar", photos[:2])
    job = make_job(tiny_artifact, "photos/1.png", "b.tar", "photos/2.png", "photos/3.png", output="out.parquet")
    plan = planned(job, 10)
    assert read(plan, job) == [["photos/1.png"], ["1", "2"], ["photos/2.png", "photos/3.png"]]
    assert [(shard.path, shard.images) for shard in plan.shards] == [(None, 1), ("b.tar", None), (None, 2)]
    sources = [record.source for record in plan.shards[1].records(job)]
    assert [source.name for source in sources] == ["1", "2"]
    assert [load_image(source).size for source in sources] == [load_image(path).size for path in photos[:2]]
    assert [record.size_bytes for record in plan.shards[1].records(job)] == [Path(p).stat().st_size for p in photos[:2]]


def test_names_that_are_not_text_and_addresses_survive_the_list(photos, tiny_artifact):
    strange = os.fsdecode(b"photos/new\nline \xff.png")
    Path("photos/7.png").rename(strange)
    address = "http://127.0.0.1:9/photo.jpg"
    job = make_job(tiny_artifact, "photos", address, output="out.jsonl", timeout_s=2.5)
    (records,) = [list(shard.records(job)) for shard in planned(job, 100).shards]
    assert {record.path for record in records} > {strange, address}
    assert next(record.source for record in records if record.path == strange) == strange
    assert records[-1].source.name == address
    assert records[-1].source._timeout_s == 2.5


def test_a_folder_that_cannot_be_read_is_an_error_in_its_place(photos, tiny_artifact, monkeypatch):
    Path("photos/5 locked").mkdir()
    scandir = os.scandir

    def refusing(path):
        if "locked" in os.fspath(path):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    job = make_job(tiny_artifact, "photos", output="out.parquet")
    records = [record for shard in planned(job, 4).shards for record in shard.records(job)]
    (failed,) = [record for record in records if isinstance(record.source, ImageError)]
    assert str(failed.source) == "photos/5 locked: the folder cannot be read: Permission denied"
    assert len(records) == 8


@pytest.mark.parametrize(
    "source", ["empty", "photos/*.gif", "ftp://host/a.jpg", "no.tar", "x-{0..2}.tar", "nowhere/", "no.jpg"]
)
def test_a_source_without_images_is_an_error(photos, tiny_artifact, source):
    Path("empty").mkdir()
    with pytest.raises(DataError):
        plan_shards(make_job(tiny_artifact, "photos", source, output="out.parquet"), shard_size=5)


def test_the_output_is_never_an_input(photos, tiny_artifact):
    Path("shards").mkdir()
    write_tar("shards/a.tar", photos[:2])
    Path("shards/out.parquet").mkdir()
    write_tar("shards/out.parquet/part-00000.tar", photos)
    job = make_job(tiny_artifact, "shards", output="shards/out.parquet")
    assert [shard.path for shard in plan_shards(job, shard_size=5).shards] == ["shards/a.tar"]
    Path("shards/a.tar").unlink()
    with pytest.raises(DataError, match=r"shards: has no shards but the parts in shards/out\.parquet"):
        plan_shards(job, shard_size=5)


def test_a_column_needs_a_parquet_file(photos, tiny_artifact):
    write_tar("b.tar", photos[:2])
    job = make_job(tiny_artifact, "photos", "b.tar", output="out.parquet", layout=ShardLayout(key_column="id"))
    with pytest.raises(SpecError, match="`key_column` names a column of Parquet files, but the images are in none"):
        plan_shards(job, shard_size=5)


def test_plans_differ_with_names_and_shards(photos, tiny_artifact):
    write_tar("b.tar", photos[:2])
    job = make_job(tiny_artifact, "photos", "b.tar", output="out.parquet")
    before = plan_shards(job, shard_size=3).describe()
    assert plan_shards(job, shard_size=3).describe() == before
    write_tar("b.tar", photos)
    changed_shard = plan_shards(job, shard_size=3).describe()
    Path("photos/7.png").rename("photos/8.png")
    assert changed_shard["shards"] != before["shards"]
    assert plan_shards(job, shard_size=3).image_list != before["image_list"]


def test_a_list_is_read_piece_by_piece_and_may_name_what_is_not_there(photos, tiny_artifact):
    write_tar(Path("b.tar"), photos[:2])
    Path("names.txt").write_text("photos/2.png\nphotos/*.gif\nb.tar\nabsent.png\n")
    job = make_job(tiny_artifact, "photos/1.png", output="out.parquet", lists=("names.txt",))
    plan = planned(job, 10)
    assert read(plan, job) == [["photos/1.png", "photos/2.png", "photos/*.gif"], ["1", "2"], ["absent.png"]]
    assert isinstance(list(plan.shards[0].records(job))[2].source, ImageError)
    assert job.shown_sources == ["photos/1.png", "names.txt"]
    assert len(pickle.dumps(job)) < 2000

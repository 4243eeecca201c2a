"""Copies of shards: made before they are needed, complete, few at a time, and deleted."""

import re
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from edgekit.errors import DataError, ImageError
from edgekit.shards.stores import LocalStore
from edgekit.train.epoch_order import epoch_order, shard_numbers
from edgekit.train.shard_copies import local_copies

MAX_BYTES = 2**20


def test_local_copies_leave_local_tar_files_and_folders_where_they_are(in_shards, training):
    for images in (training, in_shards(training, each=20)):
        with local_copies(images, shard_numbers(images), most=2) as copies:
            assert copies.images is images
            assert list(copies.before_each("ab", [[0], [1]], unfinished=0)) == ["a", "b"]


def test_local_copies_have_the_bytes_of_every_image_when_a_step_begins(in_shards, training, lenet_recipe):
    images = in_shards(training, each=20, kind="parquet").subset([*range(5, 60), *range(64, 90)])
    contents = {record.key: record.image for shard in {s.shard for s in images.sources} for record in shard.read()}
    recipe = lenet_recipe(optimize={"shuffle_shards": 2, "batch_size": 4})
    shards = shard_numbers(images)
    steps = epoch_order(len(images), recipe, 0, shards=shards)
    with local_copies(images, shards, most=4) as copies:
        folder = copies.images.sources[0].path.parent
        for step in copies.before_each(steps, steps, unfinished=1):
            assert len(list(folder.iterdir())) <= 4
            for index in step.tolist():
                source = copies.images.sources[index]
                assert source.name == images.sources[index].name
                assert source.read_bytes(max_bytes=MAX_BYTES) == contents[images.names[index]]
        assert source.path.exists()
    assert not folder.exists()


def test_local_copies_of_a_step_stay_until_later_steps_are_asked_for(in_shards, training):
    """Workers still read the images of the steps that were handed out last."""
    images = in_shards(training, each=10, kind="parquet")
    steps = [[index] for index in range(0, 90, 5)]  # each reads one row group
    with local_copies(images, shard_numbers(images), most=1) as copies:
        for number, _ in enumerate(copies.before_each(steps, steps, unfinished=3)):
            for recent in steps[max(number - 3, 0) : number + 1]:
                assert copies.images.sources[recent[0]].path.exists()


def test_local_copies_of_a_remote_tar_file_are_read_in_large_pieces(in_shards, training, monkeypatch):
    images, requests = in_shards(training, each=30), []
    monkeypatch.setattr("edgekit.train.shard_copies.is_uri", lambda path: True)
    read_range = LocalStore.read_range

    def counted(store, path, offset, size):
        requests.append(size)
        return read_range(store, path, offset, size)

    expected = [source.read_bytes(max_bytes=MAX_BYTES) for source in images.sources]
    monkeypatch.setattr(LocalStore, "read_range", counted)
    order = np.random.default_rng(0).permutation(90).tolist()
    with local_copies(images, shard_numbers(images), most=3) as copies:
        list(copies.before_each([order], [order], unfinished=1))
        assert [source.read_bytes(max_bytes=MAX_BYTES) for source in copies.images.sources] == expected
    assert requests == [8 * 2**20] * 3


def test_local_copies_read_an_image_that_is_missing_from_the_shard_which_explains_it(tmp_path, in_shards, training):
    images = in_shards(training, each=90, kind="parquet")
    path = images.sources[0].shard.path
    table = parquet.read_table(path)
    column = table.column("image").to_pylist()
    column[7] = None
    parquet.write_table(table.set_column(1, "image", pyarrow.array(column, pyarrow.binary())), path, row_group_size=45)
    with local_copies(images, shard_numbers(images), most=2) as copies:
        list(copies.before_each([0], [range(90)], unfinished=1))
        with pytest.raises(ImageError, match=re.escape("007: the row has no image")):
            copies.images.sources[7].read_bytes(max_bytes=MAX_BYTES)
        assert copies.images.sources[8].read_bytes(max_bytes=MAX_BYTES) == column[8]


def test_local_copies_of_a_shard_that_vanished_are_an_error_of_one_line(in_shards, training):
    images = in_shards(training, each=30, kind="parquet")
    Path(images.sources[60].shard.path).unlink()
    with (
        local_copies(images, shard_numbers(images), most=1) as copies,
        pytest.raises(DataError, match=r"train-002\.parquet: "),
    ):
        list(copies.before_each([0, 1], [[0], [60]], unfinished=0))

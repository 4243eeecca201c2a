"""Single images of Parquet files: each row group is decoded once, and little of it is kept."""

import gc
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_shards import write_tar

from edgekit.errors import ImageError
from edgekit.shards import ShardReader, find_shards
from edgekit.shards.parquet_shard import ParquetShard
from edgekit.shards.reader import _Opened

ROWS, SIZE = 100, 1000


@pytest.fixture
def images(tmp_path):
    """Images of 1000 bytes, the first of which is their number; 50 in each row group."""
    data = [bytes([row]) * SIZE for row in range(ROWS)]
    pq.write_table(pa.table({"image": data}), tmp_path / "x.parquet", row_group_size=50)
    index, reader = find_shards(str(tmp_path / "x.parquet"))[0].index(), ShardReader()
    return [index.image(number, reader) for number in range(len(index))]


@pytest.fixture
def decoded(monkeypatch):
    """The row groups that are decoded, from their beginning, in turn."""
    groups = []
    cells = ParquetShard.cells
    monkeypatch.setattr(ParquetShard, "cells", lambda self, group: groups.append(group) or cells(self, group))
    return groups


def first_byte(image) -> int:
    return image.read_bytes(max_bytes=SIZE)[0]


def test_row_groups_are_decoded_once_in_any_order_if_they_fit(images, decoded):
    order = [number * 37 % ROWS for number in range(ROWS)]
    assert [first_byte(images[number]) for number in order] == order
    assert sorted(set(decoded)) == [0, 1]
    assert len(decoded) == 2
    assert [images[number].row_group for number in (0, 49, 50)] == [0, 0, 1]


def test_a_large_row_group_is_decoded_once_in_order_and_again_when_going_back(images, decoded, monkeypatch):
    monkeypatch.setattr("edgekit.shards.reader._WINDOW_BYTES", 20 * SIZE)
    assert [first_byte(image) for image in images] == list(range(ROWS))
    assert decoded == [0, 1]
    assert [first_byte(images[number]) for number in (99, 60, 61, 90)] == [99, 60, 61, 90]
    assert decoded == [0, 1, 1]


def test_only_so_many_row_groups_are_kept(images, decoded, monkeypatch):
    monkeypatch.setattr("edgekit.shards.reader._CACHE_BYTES", 60 * SIZE)
    kept = images[0].reader
    for number in (49, 99, 0):
        assert first_byte(images[number]) == number
    assert decoded == [0, 1, 0]
    assert len(kept._opened._row_groups) == 1


def test_threads_read_the_right_images(images, monkeypatch):
    monkeypatch.setattr("edgekit.shards.reader._WINDOW_BYTES", 10 * SIZE)
    wrong = []

    def work(start: int) -> None:
        wrong.extend(number for number in range(start, ROWS, 3) if first_byte(images[number]) != number)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_with_fewer_rows_than_listed_is_an_image_error(images, tmp_path):
    pq.write_table(pa.table({"image": [b"x"]}), tmp_path / "x.parquet")
    with pytest.raises(ImageError, match=r"x\.parquet/40: .*fewer rows than when it was listed"):
        images[40].read_bytes(max_bytes=SIZE)
    with pytest.raises(ImageError, match=r"x\.parquet/70: "):
        images[70].read_bytes(max_bytes=SIZE)


def test_a_deleted_shard_is_an_image_error(tmp_path):
    path = write_tar(tmp_path / "x.tar", [("a.png", b"image")])
    image = find_shards(str(path))[0].index().image(0, ShardReader())
    path.unlink()
    with pytest.raises(ImageError, match=r"x\.tar/a\.png: .*no such file"):
        image.read_bytes(max_bytes=SIZE)


class CountingStore:
    """An object store that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.requests = data, []

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        self.requests.append((offset, size))
        return self.data[offset : offset + size]


def test_images_of_a_remote_tar_that_follow_each_other_are_read_together(monkeypatch):
    monkeypatch.setattr("edgekit.shards.reader._AHEAD_BYTES", 1000)
    store, opened = CountingStore(bytes(range(256)) * 100), _Opened()
    for offset in range(0, 10_000, 100):
        assert opened._tar_data("s3://b/x.tar", store, offset, 50) == store.data[offset : offset + 50]
    assert len(store.requests) <= 11
    store.requests.clear()
    for offset in (20_000, 5_000, 15_000):
        assert opened._tar_data("s3://b/x.tar", store, offset, 50) == store.data[offset : offset + 50]
    assert store.requests == [(20_000, 50), (5_000, 50), (15_000, 50)]
    gc.collect()

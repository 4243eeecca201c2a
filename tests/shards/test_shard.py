"""Shards: records in order, single images at random, bounded for hostile files."""

import gzip
import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_shards import encoded, hugging_face, web_dataset, write_tar

from edgekit.errors import DataError, ImageError, SpecError
from edgekit.shards import Shard, ShardLayout, ShardReader, find_shards

VALUES = tuple(range(100, 160))


def the_shard(path, **layout) -> Shard:
    (shard,) = find_shards(str(path), layout=ShardLayout(**layout))
    return shard


@pytest.fixture(params=["tar", "tar.gz", "parquet"])
def shard(request, tmp_path):
    path = tmp_path / f"shard.{request.param}"
    if request.param == "parquet":
        pq.write_table(hugging_face(VALUES), path, row_group_size=7)
    else:
        write_tar(path, web_dataset(VALUES))
    return the_shard(path)


def test_read_yields_images_and_labels_in_order(shard):
    found = list(shard.read())
    assert [record.image for record in found] == [encoded(value) for value in VALUES]
    assert [record.label for record in found] == [int(value >= 128) for value in VALUES]
    assert len({record.key for record in found}) == len(VALUES)
    assert shard.name == "shard"


def test_index_finds_the_records_that_read_yields_in_any_order_and_from_any_thread(shard):
    if shard.is_compressed:
        with pytest.raises(DataError, match="single images cannot be read from a compressed tar file"):
            shard.index()
        return
    index, reader, found = shard.index(), ShardReader(), list(shard.read())
    assert list(index.keys) == [record.key for record in found]
    assert list(index.labels) == [record.label for record in found]
    images = [index.image(number, reader) for number in range(len(index))]
    order = sorted(range(len(index)), key=lambda number: number * 37 % 61)
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda number: images[number].read_bytes(max_bytes=10**6), order))
    assert read == [found[number].image for number in order]
    copy = pickle.loads(pickle.dumps(images[5]))
    assert copy == images[5]
    assert hash(copy) == hash(images[5])
    assert copy.read_bytes(max_bytes=10**6) == found[5].image


def test_an_image_above_the_limit_is_an_error_of_its_record(tmp_path):
    large = encoded(1) + bytes(5000)
    path = write_tar(tmp_path / "x.tar", [("a.png", large), ("b.png", encoded(2))])
    first, second = the_shard(path).read(max_bytes=4000)
    assert isinstance(first.image, ImageError)
    assert str(first.image) == f"{path}/a.png: {len(large)} bytes, more than the limit of 4000 bytes"
    assert second.image == encoded(2)
    with pytest.raises(ImageError, match=r"more than the limit of 4000 bytes"):
        the_shard(path).index().image(0, ShardReader()).read_bytes(max_bytes=4000)
    table = pa.table({"image": [large, None, encoded(2)]})
    pq.write_table(table, tmp_path / "x.parquet")
    images = [record.image for record in the_shard(tmp_path / "x.parquet").read(max_bytes=4000)]
    assert [str(image) for image in images[:2]] == [
        f"{tmp_path}/x.parquet/0: {len(large)} bytes, more than the limit of 4000 bytes",
        f"{tmp_path}/x.parquet/1: the row has no image",
    ]
    assert images[2] == encoded(2)


@pytest.mark.parametrize("max_bytes", [0, True, 1.5])
def test_read_refuses_a_limit_that_is_not_a_number_of_bytes(shard, max_bytes):
    with pytest.raises(SpecError, match="`max_bytes` must be an integer from 1"):
        shard.read(max_bytes=max_bytes)


def test_paths_in_parquet_are_relative_to_the_file_and_must_not_be_addresses(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(encoded(9))
    paths = ["images/a.png", "images/b.png", "http://example.org/a.png", ""]
    pq.write_table(pa.table({"path": paths, "label": ["x", "y", "x", "y"]}), tmp_path / "x.parquet")
    shard = the_shard(tmp_path / "x.parquet")
    found = list(shard.read())
    assert found[0].image == encoded(9)
    assert [(record.key, record.label) for record in found[:2]] == [("images/a.png", "x"), ("images/b.png", "y")]
    reasons = [str(record.image) for record in found[1:]]
    assert "b.png: cannot be opened: No such file" in reasons[0]
    assert "the path of an image must be relative to the file (got 'http://example.org/a.png')" in reasons[1]
    assert "the row has no image" in reasons[2]
    assert shard.index().image(0, ShardReader()).read_bytes(max_bytes=10**6) == encoded(9)


def test_a_shard_that_was_cut_off_after_it_was_listed_is_an_image_error(tmp_path):
    path = write_tar(tmp_path / "x.tar", web_dataset(VALUES))
    index = the_shard(path).index()
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError, match="the shard was cut off since it was listed"):
        index.image(50, ShardReader()).read_bytes(max_bytes=10**6)


def test_a_compressed_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("edgekit.shards.unpack_limits.UNSUSPICIOUS_BYTES", 2**20)
    file = io.BytesIO()
    info = tarfile.TarInfo("a.png")
    info.size = 2**26
    file.write(gzip.compress(info.tobuf()))
    file.write(gzip.compress(bytes(2**26)))
    path = tmp_path / "x.tar.gz"
    path.write_bytes(file.getvalue())
    with pytest.raises(DataError, match=r"^\S*x\.tar\.gz: unpacks to more than 100 times its size; refused"):
        list(the_shard(path).read())


def test_a_compressed_shard_with_a_damaged_checksum_is_refused(tmp_path):
    path = write_tar(tmp_path / "x.tar.gz", web_dataset(VALUES))
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.tar\.gz: cannot be decompressed: CRC check failed"):
        list(the_shard(path).read())


@pytest.mark.parametrize("keep", [10, 500, 2000])
def test_a_broken_parquet_file_is_one_line(tmp_path, keep):
    path = tmp_path / "x.parquet"
    pq.write_table(hugging_face(VALUES), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="broken Parquet file, or not one") as raised:
        the_shard(path).index()
    assert "\n" not in str(raised.value)


def test_damaged_parquet_pages_are_a_data_error_or_another_image(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(hugging_face(VALUES), path, compression="snappy")
    data = bytearray(path.read_bytes())
    for position in range(4, len(data) - 200, 97):
        damaged = bytearray(data)
        damaged[position] ^= 0x5A
        path.write_bytes(damaged)
        try:
            assert len(list(the_shard(path).read())) == len(VALUES)
        except DataError as error:
            message = str(error)
            assert "x.parquet" in message

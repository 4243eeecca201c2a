"""Shards in an object store: an S3 server of this machine (moto), in an environment of its own."""

import contextlib
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time

import pyarrow.parquet as pq
import pytest
from made_environments import ENVIRONMENT, ROOT, TIMEOUT_S, make_environment
from made_shards import encoded, hugging_face, web_dataset, write_tar

from edgekit import dataset
from edgekit.errors import DataError
from edgekit.shards import ShardReader, find_shards, open_store
from edgekit.shards.object_store import ObjectStore

PACKAGES = ("moto[s3]", "flask", "flask-cors", "webdataset")
WEB_DATASET = """
import json, sys
sys.modules["torch"] = None  # 8 seconds
import webdataset
print(json.dumps([
    [sample["__key__"], sample["cls"].decode(), len(sample["png"])]
    for sample in webdataset.WebDataset(sys.argv[1], shardshuffle=False)
]))
"""
VALUES = tuple(range(100, 160))


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment that sees the packages of this one, and has an S3 server and WebDataset."""
    python = make_environment(tmp_path_factory.mktemp("s3") / "environment")
    packages = next(python.parents[1].rglob("site-packages"))
    (packages / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-compile")
    command = (*pip, "-c", ROOT / "constraints-peers.txt", *PACKAGES)
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        pytest.skip(f"{PACKAGES[0]} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.fixture(scope="module")
def bucket(python):
    """The URI of an empty bucket, with {} where the path belongs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "someone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "something")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment = {**ENVIRONMENT, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        command = [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(port, server)
            options = f"?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
            make_bucket(f"s3://photos{options}&allow_bucket_creation=true")
            yield f"s3://photos/{{}}{options}"
        finally:
            server.kill()
            server.wait()


def wait_for(port: int, server: subprocess.Popen) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert server.poll() is None
        time.sleep(0.1)
    raise AssertionError("the S3 server does not listen")


def make_bucket(uri: str) -> None:
    from pyarrow.fs import FileSystem

    filesystem, path = FileSystem.from_uri(uri)
    filesystem.create_dir(path)


@pytest.fixture(scope="module")
def filled(bucket, tmp_path_factory):
    """The bucket with two tar shards and a Parquet file."""
    folder, store = tmp_path_factory.mktemp("shards"), open_store(bucket)
    for number in range(2):
        path = write_tar(folder / f"{number}.tar", web_dataset(VALUES[number::2], first=1000 * number))
        store.write(bucket.format(f"tars/{number}.tar"), path.read_bytes())
    store.write(bucket.format("tars/classes.txt"), b"dark\nbright\n")
    pq.write_table(hugging_face(VALUES), folder / "x.parquet", row_group_size=7)
    store.write(bucket.format("parquet/val-0.parquet"), (folder / "x.parquet").read_bytes())
    return bucket


@pytest.mark.slow
def test_a_store_lists_reads_and_writes_objects_whatever_their_names(bucket):
    store = open_store(bucket)
    names = ("names/a b#c%41+é.tar", "names/10", "names/9", "names/.hidden")
    for name in names:
        store.write(bucket.format(name), name.encode())
    files = store.files(bucket.format("names"))
    assert [store.file(file.path) for file in files] == files
    assert all(abs(file.modified_ns / 1e9 - time.time()) < 600 for file in files)
    found = [file.path for file in files]
    assert found == [bucket.format(name) for name in ("names/9", "names/10", names[0])]
    assert [store.read(path, max_bytes=100).decode() for path in found] == ["names/9", "names/10", names[0]]
    assert store.read_range(found[1], 6, 100) == b"10"
    assert store.is_folder(bucket.format("names"))
    assert not store.is_folder(found[0])
    store.remove(found[0])
    store.remove(found[0])
    assert store.size_bytes(found[0]) is None
    with pytest.raises(DataError, match=r"^s3://photos/names/10: 8 bytes, more than the limit of 1 bytes$"):
        store.read(found[1], max_bytes=1)


@pytest.mark.slow
def test_an_object_is_visible_only_when_it_is_complete(bucket):
    store, path = open_store(bucket), bucket.format("out/part")
    with store.writing(path) as file:
        file.write(b"x" * 20_000_000)
        assert store.size_bytes(path) is None
    assert store.size_bytes(path) == 20_000_000
    with pytest.raises(ZeroDivisionError), store.writing(bucket.format("out/broken")) as file:
        file.write(b"x" * (1 // 0))
    assert [f.path for f in store.files(bucket.format("out"))] == [path]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["tars", "tars/{0..1}.tar", "tars/*.tar", "parquet", "**/val-?.parquet"])
def test_a_data_set_in_a_store_is_read_like_a_local_one(filled, source):
    images = dataset.read(filled.format(source), "held-out")
    assert images.classes == ("dark", "bright")
    order = [*VALUES[::2], *VALUES[1::2]] if "tar" in source else VALUES
    assert [source.read_bytes(max_bytes=10**6) for source in images.sources] == [encoded(value) for value in order]
    assert images.labels == tuple(int(value >= 128) for value in order)
    assert not any("endpoint" in name for name in (*images.names, *(source.name for source in images.sources)))


@pytest.mark.slow
def test_images_are_read_in_any_order_and_after_a_fork(filled):
    index = find_shards(filled.format("tars/0.tar"))[0].index()
    reader = ShardReader()
    images = [index.image(number, reader) for number in range(len(index))]
    assert [image.read_bytes(max_bytes=10**6) for image in images[::-1]] == [encoded(v) for v in VALUES[::2][::-1]]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(size_of, images) == [len(encoded(value)) for value in VALUES[::2]]


def size_of(image) -> int:
    return len(image.read_bytes(max_bytes=10**6))


@pytest.mark.slow
def test_records_are_those_that_web_dataset_reads(python, tmp_path):
    members = sorted((f"folder.of/n{int(name[:6]) % 3}/{name}", data) for name, data in web_dataset(VALUES))
    path = write_tar(tmp_path / "x.tar", members)
    done = subprocess.run([python, "-c", WEB_DATASET, str(path)], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = [[record.key, str(record.label), len(record.image)] for record in find_shards(str(path))[0].read()]
    assert ours == json.loads(done.stdout)
    assert len(ours) == len(VALUES)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["absent.tar", "absent/*.tar", "tars/{0..2}.tar", "absent"])
def test_what_is_absent_is_one_line(filled, path):
    with pytest.raises(DataError, match=r"^s3://photos/\S+: no (such file|\.tar)"):
        find_shards(filled.format(path))


@pytest.mark.slow
def test_a_missing_bucket_is_one_line(filled):
    uri = filled.replace("photos", "absent").format("x.tar")
    with pytest.raises(DataError, match=r"^s3://absent/x.tar: no such bucket$"):
        find_shards(uri)
    with pytest.raises(DataError, match=r"^s3://absent/x.tar: (no such bucket|cannot be written: no such bucket .*)$"):
        open_store(uri).write(uri, b"")


def test_a_store_that_cannot_be_reached_is_one_line(monkeypatch):
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "y"), ("EC2_METADATA_DISABLED", "true")):
        monkeypatch.setenv(f"AWS_{name}", value)
    uri = "s3://someone:hidden@bucket/x.tar?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    begin = time.monotonic()
    with pytest.raises(
        DataError, match=r"^s3://bucket/x.tar: cannot be read: the store cannot be reached \("
    ) as raised:
        find_shards(uri)
    assert time.monotonic() - begin < 60
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://", "s3://: names no bucket; write s3://BUCKET/FOLDER"),
        ("gs:///x.tar", "gs:///x.tar: names no bucket; write gs://BUCKET/FOLDER"),
        ("s3://k:hid/den@b/x.tar", "s3://b: cannot be opened: not a valid URI; write / in a secret as %2F"),
        ("s3://k:hid den@b/x.tar?region=x", "s3://b: cannot be opened: not a valid URI; write / in a secret as %2F"),
        ("strange://k:hidden@x/y.tar", "strange://x: no installed package reads strange: "),
        ("strange://x/y.tar", "strange://x: no installed package reads strange: Protocol not known: strange"),
        ("https://x/y.tar", "https://x/y.tar: shards cannot be read by https; download them, or use the scheme"),
    ],
)
def test_an_address_that_no_store_has_is_one_line(uri, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}") as raised:
        find_shards(uri)
    assert "hid" not in str(raised.value)


def test_other_stores_are_reached_by_fsspec(tmp_path):
    path = write_tar(tmp_path / "x.tar", web_dataset(VALUES))
    uri = f"memory://edgekit-{os.getpid()}/x.tar"
    store = open_store(uri)
    assert isinstance(store, ObjectStore)
    store.write(uri, path.read_bytes())
    assert [file.path for file in store.files(uri.removesuffix("/x.tar"))] == [uri]
    (shard,) = find_shards(uri)
    assert [record.image for record in shard.read()] == [encoded(value) for value in VALUES]
    store.remove(uri)
    assert store.size_bytes(uri) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("AWS Error ACCESS_DENIED during HeadObject operation: No response body.", "access denied; set the store's"),
        ("AWS Error NO_SUCH_BUCKET during PutObject operation: The bucket does not exist", "no such bucket"),
        (
            "AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 28, Timeout",
            "the store cannot be reached",
        ),
        ("AWS Error EXPIRED_TOKEN during GetObject operation", "access denied; set the store's credentials"),
        ("something\nelse", "something else"),
    ],
)
def test_errors_of_clients_become_one_line(text, meaning):
    with pytest.raises(DataError, match=f"^s3://x/y: cannot be read: {meaning}") as raised:  # noqa: SIM117
        with ObjectStore("s3://x")._explained("s3://x/y?secret_key=z", "read"):
            raise OSError(text)
    assert "\n" not in str(raised.value)

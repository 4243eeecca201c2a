"""Archives are read like folders; broken ones and those that unpack to gigabytes are refused."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from made_data import assert_cats_and_dogs, make_folder, pack, value_of

from edgekit.dataset import read, read_both
from edgekit.errors import DataError, DataWarning


@pytest.mark.parametrize("name", ["data.tar", "data.tar.gz", "data.zip"])
@pytest.mark.parametrize("top", ["", "pets/v1"])
def test_read_both_reads_archives_like_folders(tmp_path, name, top):
    folder = make_folder(tmp_path / "pets", ("train", "val"))
    archive = pack(folder, tmp_path / name, top)
    for images, expected in zip(read_both(archive), read_both(folder), strict=True):
        assert images.classes == expected.classes
        assert images.labels == expected.labels
        assert [value_of(s) for s in images.sources] == [value_of(s) for s in expected.sources]


def test_read_unpacks_only_the_requested_split_of_an_archive(tmp_path, monkeypatch):
    archive = pack(make_folder(tmp_path / "pets", ("train", "val")), tmp_path / "pets.zip")
    opened = []
    original = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, info, *args: opened.append(info.filename) or original(self, info, *args)
    )
    assert_cats_and_dogs(read(archive, "val"))
    assert len(opened) == 8
    assert all(name.startswith("val/") for name in opened)


@pytest.mark.parametrize("name", ["data.tar.gz", "data.zip"])
def test_read_both_refuses_a_truncated_archive(tmp_path, name):
    path = pack(make_folder(tmp_path / "pets", ("train", "val"), count=40), tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=name):
        read_both(path)


@pytest.mark.parametrize("name", ["data.tar.gz", "data.tar.xz", "data.tar.bz2"])
def test_read_both_refuses_an_archive_with_a_damaged_byte(tmp_path, name):
    """Many damaged bytes of a tar.gz unpack without an error; only the checksum at its end reveals them."""
    folder = tmp_path / "pets"
    for number in range(4):
        path = folder / ("train", "val")[number % 2] / ("cat", "dog")[number // 2] / "noise.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(np.random.default_rng(number).bytes(2000))
    path = pack(folder, tmp_path / name)
    data = path.read_bytes()
    for at in np.linspace(200, 7000, 12).astype(int).tolist():
        broken = bytearray(data)
        broken[at] ^= 0x55
        path.write_bytes(broken)
        with pytest.raises(DataError, match=name):
            read_both(path)


def test_read_both_refuses_an_archive_that_unpacks_to_more_than_the_limit(tmp_path, monkeypatch):
    path = pack(make_folder(tmp_path / "pets", ("train", "val")), tmp_path / "pets.zip")
    monkeypatch.setattr("edgekit.dataset.archive._MAX_BYTES", 100)
    with pytest.raises(DataError, match="more than 100 bytes"):
        read_both(path)


@pytest.mark.parametrize("name", ["pets.zip", "pets.tar.gz"])
def test_read_both_refuses_an_archive_with_more_members_than_the_limit(tmp_path, monkeypatch, name):
    path = pack(make_folder(tmp_path / "pets", ("train", "val")), tmp_path / name)
    monkeypatch.setattr("edgekit.dataset.archive._MAX_MEMBERS", 3)
    with pytest.raises(DataError, match=f"{name}: has more than 3 members; unpack it and pass the folder"):
        read_both(path)


def test_read_refuses_an_archive_that_unpacks_to_gigabytes(tmp_path):
    for name in ("bomb.zip", "bomb.tar.gz"):
        if name.endswith("zip"):
            with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("train/cat/1.bmp", bytes(2**28 + 1))
        else:
            with tarfile.open(tmp_path / name, "w:gz", compresslevel=1) as archive:
                info = tarfile.TarInfo("train/cat/notes.txt")
                info.size = 2**28 + 1
                archive.addfile(info, io.BytesIO(bytes(info.size)))
        with pytest.raises(DataError, match="unpacks to more than 100 times its size; refused"):
            read(tmp_path / name, "train")


@pytest.mark.parametrize("split", ["train", "val"])
def test_read_follows_links_in_a_tar(tmp_path, split):
    folder = make_folder(tmp_path / "pets", ("train", "val"))
    os.link(folder / "train/cats/0.png", folder / "train/cats/hard.png")
    (folder / "train/dogs/soft.png").symlink_to("0.png")
    (folder / "val/cats/across.png").symlink_to("../../train/cats/0.png")
    for images in (read(folder, split), read(pack(folder, tmp_path / "pets.tar.gz"), split)):
        assert_cats_and_dogs(images, 10 if split == "train" else 9)


def test_read_warns_of_links_that_lead_out_of_an_archive(tmp_path):
    folder = make_folder(tmp_path / "pets", ("train", "val"))
    (folder / "train/cats/lost.png").symlink_to("/etc/passwd")
    (folder / "train/cats/self.png").symlink_to("self.png")
    archive = pack(folder, tmp_path / "pets.tar")
    with pytest.warns(DataWarning, match="2 links lead to no image of the archive .*: 'train/cats/lost.png', 'train/c"):
        assert_cats_and_dogs(read(archive, "train"))


@pytest.mark.parametrize("name", ["data.tar", "data.zip"])
def test_read_leaves_out_what_systems_add_to_archives(tmp_path, name):
    folder = make_folder(tmp_path / "pets", ("train", "val"))
    for added in ("__MACOSX/train/cats/._0.png", "train/cats/@eaDir/0.png", "train/dogs/._1.png"):
        (folder / added).parent.mkdir(parents=True, exist_ok=True)
        (folder / added).write_bytes(b"not an image")
    assert_cats_and_dogs(read(pack(folder, tmp_path / name), "train"))


@pytest.mark.parametrize("name", [None, "data.tar", "data.zip"])
def test_read_refuses_to_take_the_folders_beside_a_table_for_classes(tmp_path, name):
    folder = make_folder(tmp_path / "pets", ("",))
    (folder / "cats" / "labels.csv").write_text("file,label\n0.png,tabby\n")
    with pytest.raises(DataError, match=r"labels\.csv"):
        read(pack(folder, tmp_path / name) if name else folder, "all")


def test_read_reads_a_zip_with_the_separators_of_windows(tmp_path):
    folder = make_folder(tmp_path / "pets", ("train", "val"))
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, str(file.relative_to(folder)).replace("/", "\\"))
    assert_cats_and_dogs(read(tmp_path / "pets.zip", "val"))


def test_read_follows_symbolic_links_in_a_zip(tmp_path):
    folder = make_folder(tmp_path / "pets", ("train", "val"))
    path = pack(folder, tmp_path / "pets.zip")
    with zipfile.ZipFile(path, "a") as archive:
        for name, target in (("train/dogs/soft.png", "0.png"), ("train/cats/up.png", "../../val/cats/0.png")):
            link = zipfile.ZipInfo(name)
            link.external_attr = 0o120777 << 16
            archive.writestr(link, target)
    assert_cats_and_dogs(read(path, "train"), 10)

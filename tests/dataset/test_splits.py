"""Reading all splits at once, also of data that nobody can train on."""

import numpy as np
import pytest
from PIL import Image

from edgekit.dataset import read, read_splits
from edgekit.errors import DataError, DataWarning


def write(folder, *names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(folder / name)


def test_read_splits_agrees_with_read(tmp_path):
    write(tmp_path, "train/a/1.png", "train/b/2.png", "val/b/3.png")
    splits = read_splits(tmp_path)
    assert list(splits) == ["train", "val"]
    for split, images in splits.items():
        assert images == read(tmp_path, split)


def test_read_splits_without_splits(tmp_path):
    write(tmp_path, "a/1.png", "b/2.png")
    assert read_splits(tmp_path) == {"all": read(tmp_path, "all")}


def test_read_splits_of_a_bare_folder_has_no_classes(tmp_path):
    write(tmp_path, "1.png", "2.png")
    (images,) = read_splits(tmp_path).values()
    assert (images.classes, images.names) == ((), ("1.png", "2.png"))


def test_read_splits_reads_what_cannot_be_trained_on(tmp_path):
    write(tmp_path, "train/a/1.png", "val/a/2.png", "val/b/3.png")
    splits = read_splits(tmp_path)
    assert splits["train"].classes == splits["val"].classes == ("a", "b")
    assert splits["train"].class_counts().tolist() == [1, 0]
    with pytest.raises(DataError, match="val has classes that train does not have"):
        read(tmp_path, "val")


def test_read_splits_with_a_table_elsewhere(tmp_path):
    write(tmp_path / "images", "1.png", "2.png")
    (tmp_path / "truth.csv").write_text("file,label,split\n1.png,a,train\n2.png,b,val\n")
    splits = read_splits(tmp_path / "images", truth=tmp_path / "truth.csv")
    assert {split: images.names for split, images in splits.items()} == {"train": ("1.png",), "val": ("2.png",)}


def test_read_splits_warns_of_a_test_split_beside_val(tmp_path):
    splits = ("train", "val", "test")
    write(tmp_path / "folder", *(f"{split}/{label}/1.png" for split in splits for label in "ab"))
    rows = "".join(f"{split}/a/1.png,a,{split}\n" for split in splits)
    (tmp_path / "folder.csv").write_text(f"file,label,split\n{rows}")
    for data in (tmp_path / "folder", tmp_path / "folder.csv"):
        with pytest.warns(DataWarning, match=f"{data.name}: 'test' is left out, because there is a val split"):
            assert list(read_splits(data)) == ["train", "val"]


def test_read_splits_reads_test_as_val_without_a_warning(tmp_path):
    write(tmp_path, "train/a/1.png", "train/b/2.png", "test/b/3.png")
    assert read_splits(tmp_path)["val"].names == ("test/b/3.png",)


def test_read_splits_warns_of_almost_equal_classes(tmp_path):
    write(tmp_path, "tabby cat/1.png", "Tabby_Cat/2.png")
    with pytest.warns(DataWarning, match="differ only in case"):
        read_splits(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_read_splits_refuses_what_is_no_data_set(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        read_splits(tmp_path / name)

"""Splits and classes from the names of folders: what is read, and what is refused because it can be read two ways."""

from pathlib import PurePosixPath

import pytest

from edgekit.dataset import read, read_both, read_images
from edgekit.dataset.folders import Member, find_layout, list_by_folders, split_named
from edgekit.errors import DataError, DataWarning


def paths(*folders, count=2):
    return [PurePosixPath(folder, f"{number}.png") for folder in folders for number in range(count)]


def classes(*folders):
    """The (split, class) pairs that images in these folders are in."""
    listing = list_by_folders([Member(path, None) for path in paths(*folders)], (), root="DATA")
    return sorted({(entry.split, entry.class_keys[0]) for entry in listing.entries}, key=str)


@pytest.mark.parametrize(
    ("names", "split"),
    [
        ("train Train TRAINING training seg_train train_images images-train train2017 trainset train-set", "train"),
        ("val valid Validation validation dev eval test Testing seg_test test_images val2017 testset", "val"),
        ("cat trainer contest test_drive valley trainval training-shoes seg_pred", None),
    ],
)
def test_split_named_knows_the_usual_names(names, split):
    assert [split_named(name) for name in names.split()] == [split] * len(names.split())


@pytest.mark.parametrize(
    "folders",
    [
        "Training/cat Training/dog Testing/cat Testing/dog",
        "a/b/train/cat a/b/train/dog a/b/val/cat a/b/val/dog/old",
        "seg_train/seg_train/cat seg_train/seg_train/dog seg_test/seg_test/cat seg_test/seg_test/dog",
        "train_images/cat train_images/dog test_images/cat test_images/dog",
        "train/cat train/dog val/cat val/dog test/cat test/dog test/cow",
    ],
)
def test_list_by_folders_reads_splits_by_their_usual_names(folders):
    expected = [("train", "cat"), ("train", "dog"), ("val", "cat"), ("val", "dog")]
    assert classes(*folders.split()) == expected


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ("bus/day car/day train/day", ["bus", "car", "train"]),
        ("bus car train", ["bus", "car", "train"]),
        ("set/cat set/dog", ["cat", "dog"]),
        ("cat/old cat/new dog/old", ["cat", "dog"]),
    ],
)
def test_list_by_folders_reads_classes(folders, expected):
    assert classes(*folders.split()) == [(None, name) for name in expected]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ("a/cat a/dog b/cat b/dog", r"DATA: .*'a', 'b' all contain the folders 'cat', 'dog'.*pass one of 'DATA/a'"),
        ("cat/train cat/val dog/train dog/val", "splits must lie above the classes"),
        ("train/cat train/dog extra/cat", "'train' may be splits, but 'extra' cannot be"),
        ("train/cat train/dog Train/cat Train/dog", "are all named like the train split"),
        ("train/cat train/dog training/cat training/dog", "'train', 'training' are all named like the train split"),
        ("train/cat train/dog val/cat valid/dog test/cat", "'val', 'valid' are all named like the val split"),
    ],
)
def test_find_layout_refuses_two_readings(folders, message):
    with pytest.raises(DataError, match=message):
        find_layout(paths(*folders.split()), "DATA")


def test_read_warns_of_loose_images(tmp_path):
    for path in ("train/cat/1.png", "train/dog/2.png", "train/3.png", "4.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    left_out = r"2 of 4 images lie in no class folder and are left out: '4.png', 'train/3.png'"
    with pytest.warns(DataWarning, match=left_out):
        assert len(read(tmp_path, "train")) == 2
    with pytest.raises(DataError, match="has images both directly in it and in folders, such as"):
        read_images(tmp_path)


def test_read_both_keeps_an_empty_class_folder_an_error(tmp_path):
    for path in ("Training/cat/1.png", "Training/dog/2.png", "Testing/cat/3.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "Training/cow").mkdir()
    with pytest.raises(DataError, match="no images in 'Training/cow'"):
        read_both(tmp_path)

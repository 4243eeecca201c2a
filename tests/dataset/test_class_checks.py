"""Classes that are probably not as the owner of the data means them are named."""

import warnings

import pytest

from edgekit.dataset import read, read_both
from edgekit.errors import DataError, DataWarning


@pytest.fixture
def folder(tmp_path):
    """A function that creates a data set of these folders, one image in each."""

    def create(*names):
        for name in names:
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "1.png").touch()
        return tmp_path

    return create


def test_read_warns_of_class_names_that_are_almost_equal(folder):
    root = folder("train/Cat", "train/cat", "train/dog", "train/dog ", "train/hot dog", "train/hot_dog", "train/emu")
    message = r"stay apart: 'Cat' and 'cat'; 'dog' and 'dog '; 'hot dog' and 'hot_dog'$"
    with pytest.warns(DataWarning, match=message):
        assert len(read(root, "train").classes) == 7


def test_read_warns_of_class_names_of_a_table(folder):
    root = folder("images")
    (root / "labels.csv").write_text("file,label\nimages/1.png,Cat\nimages/2.png,cat\nimages/3.png,dog\n")
    with pytest.warns(DataWarning, match="'Cat' and 'cat'"):
        read(root, "all")


def test_read_refuses_class_names_that_no_file_can_store(folder):
    root = folder(b"cat\xff".decode("utf-8", "surrogateescape"), "dog")
    with pytest.raises(DataError, match=r"must be in UTF-8 \(got 'cat\\udcff'\); rename the folders"):
        read(root, "all")


def test_read_names_the_class_of_train_that_a_class_of_val_may_be(folder):
    root = folder("train/Cat", "train/dog", "train/emu", "val/cat", "val/dog ", "val/emu", "val/cow")
    for read_val in (read_both, lambda path: read(path, "val")):
        message = r"does not have: 'cat', 'cow', 'dog '; 'cat' may be 'Cat', 'dog ' may be 'dog'$"
        with pytest.raises(DataError, match=message):
            read_val(root)


def test_read_both_warns_of_classes_without_val_images(folder):
    root = folder("train/cat", "train/dog", "train/emu", "val/dog")
    with pytest.warns(DataWarning, match="no val images of class 'cat', 'emu'; the measured accuracy says nothing"):
        assert read_both(root)[1].labels == (1,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(root, "val").labels == (1,)

"""Reading data sets: folders, idx files, tables, and what makes each of them unusable."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_data import assert_cats_and_dogs, make_folder, pack, value_of, write_image

from edgekit.dataset import read, read_both, read_held_out, read_unlabeled
from edgekit.errors import DataError, DataWarning


@pytest.mark.parametrize("val", ["val", "valid", "validation", "test"])
def test_read_both_reads_a_folder_with_splits(tmp_path, val):
    training, validation = read_both(make_folder(tmp_path, ("train", val)))
    assert_cats_and_dogs(training)
    assert_cats_and_dogs(validation)


def test_read_does_not_merge_val_and_test(tmp_path):
    make_folder(tmp_path, ("train", "val"))
    make_folder(tmp_path, ("test",), count=9)
    assert len(read(tmp_path, "val")) == 8


def test_read_held_out_returns_val_or_everything_without_splits(tmp_path):
    assert len(read_held_out(make_folder(tmp_path / "both", ("train", "val"), 3))) == 6
    assert len(read_held_out(make_folder(tmp_path / "plain", ("",), 3))) == 6
    with pytest.raises(DataError, match="no val images"):
        read_held_out(make_folder(tmp_path / "train_only", ("train",), 3))
    with pytest.raises(DataError, match="no such folder"):
        read_held_out(tmp_path / "nowhere")


@pytest.mark.parametrize("packing", [None, "data.tar.gz", "data.zip"])
def test_read_both_draws_val_fraction_of_each_class_by_seed(tmp_path, packing):
    make_folder(tmp_path / "pets", ("",), count=10)
    write_image(tmp_path / "pets/cats/eleventh.png", 20)
    root = pack(tmp_path / "pets", tmp_path / packing, "top") if packing else tmp_path / "pets"
    training, validation = read_both(root, val_fraction=0.2, seed=3)
    assert_cats_and_dogs(training, 17)
    assert_cats_and_dogs(validation, 4)
    assert not set(training.names) & set(validation.names)
    assert read_both(root, val_fraction=0.2, seed=3)[1].names == validation.names
    others = {read_both(root, val_fraction=0.2, seed=seed)[1].names for seed in range(4, 8)}
    assert len(others) > 1
    assert len(read(root, "all")) == 21


def test_read_both_splits_data_that_has_only_train(tmp_path):
    training, validation = read_both(make_folder(tmp_path, ("train",)), val_fraction=0.25)
    assert (len(training), len(validation)) == (6, 2)


def test_read_keeps_class_indexes_if_val_lacks_a_class(tmp_path):
    make_folder(tmp_path, ("train",))
    write_image(tmp_path / "val/dogs/0.png", 200)
    assert read(tmp_path, "val").labels == (1,)
    with pytest.warns(DataWarning, match="no val images of class 'cats'"):
        assert read_both(tmp_path)[1].labels == (1,)


def test_read_includes_subfolders_of_a_class_and_skips_hidden_ones(tmp_path):
    make_folder(tmp_path, ("train", "val"))
    write_image(tmp_path / "train/dogs/big/old/0.png", 220)
    write_image(tmp_path / "train/.cache/hidden/0.png", 0)
    assert_cats_and_dogs(read(tmp_path, "train"), 9)


def add_unknown_val_class(root):
    write_image(root / "val/horses/0.png", 5)


def add_empty_class(root):
    (root / "train/birds").mkdir()


def leave_one_class(root):
    for split in ("train", "val"):
        for file in (root / split / "dogs").iterdir():
            file.unlink()
        (root / split / "dogs").rmdir()


def remove_val(root):
    (root / "val").rename(root / ".hidden")


def remove_train(root):
    (root / "train").rename(root / ".gone")


def remove_everything(root):
    remove_train(root)
    remove_val(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add_unknown_val_class, r"val has classes that train does not have: 'horses'"),
        (add_empty_class, r"no images in 'train/birds'"),
        (leave_one_class, r"only one class \('cats'\)"),
        (remove_val, r"no val images.*`val_fraction` to 0\.2"),
        (remove_train, r"no train images, only images in val/"),
        (remove_everything, r"no images in class folders"),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_read_both_refuses_data_that_cannot_be_trained_on(tmp_path, change, message, archived):
    root = make_folder(tmp_path / "pets", ("train", "val"))
    change(root)
    path = pack(root, tmp_path / "pets.tar") if archived else root
    with pytest.raises(DataError, match=message) as caught:
        read_both(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_read_both_refuses_val_fraction_if_there_are_val_images(tmp_path):
    with pytest.raises(DataError, match="omit `val_fraction`"):
        read_both(make_folder(tmp_path, ("train", "val")), val_fraction=0.2)


def test_read_both_refuses_to_split_a_class_with_one_image(tmp_path):
    make_folder(tmp_path, ("",))
    write_image(tmp_path / "birds/0.png", 1)
    with pytest.raises(DataError, match="'birds' has only one image"):
        read_both(tmp_path, val_fraction=0.5)


def test_read_refuses_paths_that_are_not_data_sets(tmp_path):
    with pytest.raises(DataError, match="no such folder or file"):
        read(tmp_path / "nowhere", "train")
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match="not a folder, a tar or zip archive"):
        read(tmp_path / "a.txt", "train")
    with pytest.raises(DataError, match="unknown split 'trian'; did you mean train"):  # sic
        read(tmp_path, "trian")  # sic


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def make_idx(root: Path, labels=(3, 0, 11, 3), prefix="", suffix=".gz") -> Path:
    for split, split_labels in (("train", labels), ("t10k", labels[:3])):
        images = np.stack([np.full((5, 4), label) for label in split_labels])
        write_idx(root / f"{prefix}{split}-images-idx3-ubyte{suffix}", images)
        write_idx(root / f"{prefix}{split}-labels-idx1-ubyte{suffix}", np.array(split_labels))
    return root


@pytest.mark.parametrize("prefix", ["", "emnist-letters-"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_read_both_reads_idx_files_in_order(tmp_path, prefix, suffix):
    training, validation = read_both(make_idx(tmp_path, prefix=prefix, suffix=suffix))
    assert training.classes == validation.classes == ("0", "3", "11")
    assert training.labels == (1, 0, 2, 1)
    assert validation.labels == (1, 0, 2)
    assert [value_of(source) for source in training.sources] == [3, 0, 11, 3]


def test_read_refuses_an_idx_file_that_unpacks_to_gigabytes(tmp_path):
    bomb = tmp_path / "train-images-idx3-ubyte.gz"
    bomb.write_bytes(gzip.compress(bytes(2**28 + 1), 1))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 1) + b"\0")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: contains more than 268435456 bytes; refused"):
        read(tmp_path, "train")


@pytest.mark.skipif(os.name == "nt", reason="files of POSIX")
def test_read_does_not_wait_for_a_fifo(tmp_path):
    for name in ("pipe.csv", "pipe.tar", "train-images-idx3-ubyte"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="not a folder or a regular file"):
            read(tmp_path / name, "all")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 1) + b"\0")
    with pytest.raises(DataError, match="train-images-idx3-ubyte: not a regular file"):
        read(tmp_path, "all")


def test_read_names_the_broken_idx_file(tmp_path):
    make_idx(tmp_path)
    images, labels = tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "train-labels-idx1-ubyte.gz"
    intact = labels.read_bytes()
    write_idx(labels, np.array([1, 2]))
    with pytest.raises(DataError, match=r"4 images, but .* has 2 labels"):
        read(tmp_path, "train")
    labels.unlink()
    with pytest.raises(DataError, match="matching labels file is missing"):
        read(tmp_path, "train")
    labels.write_bytes(intact)
    images.write_bytes(images.read_bytes()[:20])
    with pytest.raises(DataError, match="train-images"):
        read(tmp_path, "train")


def make_table(root: Path, text: str, name="table.csv") -> Path:
    for number in range(6):
        write_image(root / f"images/{number}.png", number)
    (root / name).write_text(text)
    return root / name


def test_read_reads_a_table(tmp_path):
    lines = "".join(f"images/{n}.png,{'even' if n % 2 == 0 else 'odd'}\n" for n in range(6))
    table = make_table(tmp_path, "file,label\n" + lines)
    images = read(table, "all")
    assert images.classes == ("even", "odd")
    assert images.labels == (0, 1, 0, 1, 0, 1)
    assert [value_of(source) for source in images.sources] == [0, 1, 2, 3, 4, 5]
    training, validation = read_both(table, val_fraction=0.3)
    assert (len(training), len(validation)) == (4, 2)


def test_read_both_uses_the_split_column_of_a_table(tmp_path):
    lines = "".join(f"images/{n}.png,{'ab'[n % 2]},{'val' if n < 2 else 'train'}\n" for n in range(6))
    training, validation = read_both(make_table(tmp_path, "file,label,split\n" + lines))
    assert (training.labels, validation.labels) == ((0, 1, 0, 1), (0, 1))


@pytest.mark.parametrize("names", [None, "zero\none\ntwo\n"])
def test_read_orders_classes_of_a_table_by_class_index(tmp_path, names):
    if names:
        (tmp_path / "classes.txt").write_text(names)
    table = "file,class_index\nimages/0.png,2\nimages/1.png,0\n"
    images = read(make_table(tmp_path, table, "labels.csv").parent, "all")
    if names:
        assert (images.classes, images.labels) == (("zero", "one", "two"), (2, 0))
    else:
        assert (images.classes, images.labels) == (("0", "2"), (1, 0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,what\na.png,b\n", "has no column file or filename or path; its columns are 'name, what'"),
        ("file,label\nimages/0.png,\n", "line 2 has no value in column label"),
        ("file,label\nimages/0.png,a,b\n", "line 2 does not have as many columns"),
        ("file,label,split\nimages/0.png,a,later\n", r"line 2: split must be train or val \(got 'later'\)"),
        ("file,class_index\nimages/0.png,first\n", r"class_index must be an integer of at least 0 \(got 'first'\)"),
        ("file,label\n", "lists no images"),
    ],
)
def test_read_names_the_faulty_line_of_a_table(tmp_path, text, message):
    with pytest.raises(DataError, match=rf"table\.csv.*{message}"):
        read(make_table(tmp_path, text), "all")


def test_read_unlabeled_lists_every_visible_image_in_order(tmp_path):
    for name in ("b/1.png", "a.png", "b/.hidden/2.png"):
        write_image(tmp_path / name, 1)
    (tmp_path / "notes.txt").write_text("hello")
    assert read_unlabeled(tmp_path) == (tmp_path / "a.png", tmp_path / "b/1.png")
    with pytest.raises(DataError, match="no such folder"):
        read_unlabeled(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the folder contains no images"):
        read_unlabeled(tmp_path / "empty")


def test_read_works_without_torch(tmp_path):
    make_folder(tmp_path, ("train", "val"))
    code = (
        f"import sys; from edgekit.dataset import read; read({str(tmp_path)!r}, 'val'); print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_read_reads_the_shared_data_sets(shared):
    assert len(read(shared / "data/hymenoptera", "val")) == 153
    photos = read(shared / "data/imagenet-photos", "all")
    assert (len(photos), len(photos.classes), photos.labels[:3]) == (500, 1000, (0, 2, 4))


SEVERAL = "file,labels,split\na.png,red|blue,train\nb.png, blue ,train\nc.png,,train\nd.png,green|red|red,val\n"


def test_read_reads_several_labels_per_image(tmp_path):
    images = read(make_table(tmp_path, SEVERAL.replace("green|", "")), "all")
    assert (images.classes, images.label_sets, images.labels) == (("blue", "red"), ((0, 1), (0,), (), (1,)), ())
    assert images.task == "multi-label"
    assert images.truth().tolist() == [[True, True], [True, False], [False, False], [False, True]]
    assert images.class_counts().tolist() == [2, 2]
    assert images.subset([3, 0]).label_sets == ((1,), (0, 1))
    assert images.fingerprint() != images.subset([1, 0, 2, 3]).fingerprint()
    with pytest.raises(DataError, match="val has classes that train does not have: 'green'"):
        read(make_table(tmp_path, SEVERAL), "val")


def test_read_reads_a_column_of_0_and_1_for_each_class(tmp_path):
    images = read(make_table(tmp_path, "File,Red,Light blue\na.png,1,1\nb.png,0,0\n"), "all")
    assert (images.classes, images.label_sets) == (("Red", "Light blue"), ((0, 1), ()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,red,blue\na.png,1,0\nb.png,2,1\n", r"a class with 0 or 1 in every line \(line 3, 'red': '2'\)"),
        ("file,labels\na.png,red;blue\nb.png,blue\n", r"a\.png: .* separated with '\|' \(got 'red;blue'\)"),
        ('file,labels\na.png,"red,blue"\nb.png,"blue,green"\n', r"separated with '\|' \(got 'red,blue'\)"),
    ],
)
def test_read_refuses_a_table_of_several_labels_that_it_would_misread(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(make_table(tmp_path, text), "all")


def test_read_accepts_commas_in_the_names_of_several_labels(tmp_path):
    table = make_table(tmp_path, 'file,labels\na.png,"tench, Tinca tinca"\nb.png,goldfish\n')
    assert read(table, "all").classes == ("goldfish", "tench, Tinca tinca")


def test_read_both_draws_the_same_share_of_the_rarest_classes_of_images_with_several_labels(tmp_path):
    lines = [f"{n:02d}.png,{'common|rare' if n < 10 else 'common' if n < 60 else ''}\n" for n in range(80)]
    table = make_table(tmp_path, "file,labels\n" + "".join(lines))
    training, validation = read_both(table, val_fraction=0.2, seed=1)
    assert validation.class_counts().tolist() == [12, 2]
    assert sum(not labels for labels in validation.label_sets) == 4
    assert sorted(training.names + validation.names) == [f"{n:02d}.png" for n in range(80)]
    assert read_both(table, val_fraction=0.2, seed=1)[1].names == validation.names

"""The split into calibration and held-out images."""

import pytest
from PIL import Image

from edgekit.dataset import read_images
from edgekit.errors import DataError
from edgekit.quantize.split_data import calibration_and_held_out


def write_images(folder, names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name)


def test_calibration_and_held_out_use_the_train_and_val_splits(tmp_path):
    write_images(
        tmp_path, [f"{split}/{label}/{i}.png" for split in ("train", "val") for label in "ab" for i in range(6)]
    )
    calibration, held_out = calibration_and_held_out(tmp_path, samples=5, seed=0)
    assert (len(calibration), len(held_out)) == (5, 12)
    assert all(name.startswith("train/") for name in calibration.names)
    assert all(name.startswith("val/") for name in held_out.names)


def test_calibration_and_held_out_divide_an_unsplit_data_set_by_the_seed(tmp_path):
    write_images(tmp_path, [f"{label}/{i}.png" for label in "ab" for i in range(10)])
    calibration, held_out = calibration_and_held_out(tmp_path, samples=8, seed=0)
    assert (len(calibration), len(held_out), calibration.classes) == (8, 12, ("a", "b"))
    assert not set(calibration.names) & set(held_out.names)
    assert calibration_and_held_out(tmp_path, samples=8, seed=0)[0].names == calibration.names
    assert calibration_and_held_out(tmp_path, samples=8, seed=1)[0].names != calibration.names


def test_calibration_and_held_out_read_labels_csv(tmp_path):
    write_images(tmp_path, [f"{i}.png" for i in range(10)])
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(10)))
    calibration, held_out = calibration_and_held_out(tmp_path, samples=4, seed=0)
    assert (len(calibration), len(held_out), held_out.classes) == (4, 6, ("a", "b"))


def test_calibration_and_held_out_of_bare_images_have_no_classes_without_truth(tmp_path):
    write_images(tmp_path / "bare", [f"{i}.png" for i in range(10)])
    calibration, held_out = calibration_and_held_out(tmp_path / "bare", samples=4, seed=0)
    assert (len(calibration), len(held_out), calibration.classes, held_out.classes) == (4, 6, (), ())
    table = tmp_path / "truth.csv"
    table.write_text("file,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(10)))
    calibration, held_out = calibration_and_held_out(tmp_path / "bare", truth=table, samples=4, seed=0)
    assert held_out.classes == ("a", "b")
    assert all(source.is_file() for source in (*calibration.sources, *held_out.sources))


def test_calibration_and_held_out_raise_for_too_few_images_and_unreadable_data(tmp_path):
    write_images(tmp_path / "bare", [f"{i}.png" for i in range(10)])
    with pytest.raises(DataError, match=r"`samples` must be smaller .* \(got 10 of 10\)"):
        calibration_and_held_out(tmp_path / "bare", samples=10, seed=0)
    with pytest.raises(DataError, match="no such folder"):
        calibration_and_held_out(tmp_path / "missing", samples=10, seed=0)
    (tmp_path / "truth.csv").write_text("file,label\n0.png,a\n")
    with pytest.raises(DataError, match="`truth` can only be used with a folder"):
        read_images(tmp_path / "archive.zip", truth=tmp_path / "truth.csv")

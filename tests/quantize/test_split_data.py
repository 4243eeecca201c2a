"""Which images calibrate and which judge."""

import pytest
from PIL import Image

from edgekit.dataset import read_images
from edgekit.errors import DataError
from edgekit.quantize.split_data import calibration_and_held_out


def fill(folder, names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name)


def test_train_calibrates_and_val_judges(tmp_path):
    fill(tmp_path, [f"{split}/{label}/{i}.png" for split in ("train", "val") for label in "ab" for i in range(6)])
    few, rest = calibration_and_held_out(tmp_path, samples=5, seed=0)
    assert (len(few), len(rest)) == (5, 12)
    assert all(name.startswith("train/") for name in few.names)
    assert all(name.startswith("val/") for name in rest.names)


def test_classes_without_halves_are_divided_by_the_seed(tmp_path):
    fill(tmp_path, [f"{label}/{i}.png" for label in "ab" for i in range(10)])
    few, rest = calibration_and_held_out(tmp_path, samples=8, seed=0)
    assert (len(few), len(rest), few.classes) == (8, 12, ("a", "b"))
    assert not set(few.names) & set(rest.names)
    assert calibration_and_held_out(tmp_path, samples=8, seed=0)[0].names == few.names
    assert calibration_and_held_out(tmp_path, samples=8, seed=1)[0].names != few.names


def test_a_labels_csv_is_read(tmp_path):
    fill(tmp_path, [f"{i}.png" for i in range(10)])
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(10)))
    few, rest = calibration_and_held_out(tmp_path, samples=4, seed=0)
    assert (len(few), len(rest), rest.classes) == (4, 6, ("a", "b"))


def test_bare_images_have_no_classes_unless_a_table_tells_them(tmp_path):
    fill(tmp_path / "bare", [f"{i}.png" for i in range(10)])
    few, rest = calibration_and_held_out(tmp_path / "bare", samples=4, seed=0)
    assert (len(few), len(rest), few.classes, rest.classes) == (4, 6, (), ())
    table = tmp_path / "truth.csv"
    table.write_text("file,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(10)))
    few, rest = calibration_and_held_out(tmp_path / "bare", truth=table, samples=4, seed=0)
    assert rest.classes == ("a", "b")
    assert all(source.is_file() for source in (*few.sources, *rest.sources))


def test_what_cannot_be_read_is_said(tmp_path):
    fill(tmp_path / "bare", [f"{i}.png" for i in range(10)])
    with pytest.raises(DataError, match="10 images, and 10 are to calibrate; none is left"):
        calibration_and_held_out(tmp_path / "bare", samples=10, seed=0)
    with pytest.raises(DataError, match="no such folder"):
        calibration_and_held_out(tmp_path / "missing", samples=10, seed=0)
    (tmp_path / "truth.csv").write_text("file,label\n0.png,a\n")
    with pytest.raises(DataError, match="goes with a folder"):
        read_images(tmp_path / "archive.zip", truth=tmp_path / "truth.csv")

"""`edgekit predict --save`: images with their labels annotated on."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.cli.predict.annotate import AnnotatedImages, annotated
from edgekit.errors import EdgekitError


def test_predict_save_annotates_images_and_replaces_nothing(edgekit, folder, tiny_artifact):
    inputs = {path: path.read_bytes() for path in folder.iterdir()}
    Path("sub").mkdir()
    Path("sub/1.png").write_bytes(inputs[folder / "1.png"])
    for _ in range(2):
        assert edgekit("predict", "1.png", "sub", "5.png", "--model", tiny_artifact, "--save", ".")[0] == 3
    assert edgekit("predict", ".", "--model", tiny_artifact, "--save", "out")[0] == 3
    assert {path: path.read_bytes() for path in inputs} == inputs
    assert {path.name for path in folder.glob("*.jpg")} == {"1.jpg", "1-2.jpg", "1-3.jpg", "1-4.jpg"}
    assert len(list(Path("out").iterdir())) == 10 + 1 + 4
    with Image.open("1.jpg") as saved:
        assert saved.format == "JPEG"
        assert max(saved.size) >= 256


def test_predict_save_annotates_an_image_from_stdin(edgekit, folder, tiny_artifact, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("1.png").read_bytes())))
    assert edgekit("predict", "-", "--model", tiny_artifact, "--save", "out")[0] == 0
    assert [path.name for path in Path("out").iterdir()] == ["-.jpg"]


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (5000, 40), (300, 200)])
def test_annotated_fits_any_image_and_any_text(size):
    for lines in (["a"], ["x" * 5000, "\\x1b[31m", "日本語 ü ‮", ""]):
        image = annotated(Image.new("RGB", size, "red"), lines)
        assert image.mode == "RGB"
        assert max(image.size) <= 4096
        values = np.asarray(image)
        assert (values == 255).all(axis=-1).any() or lines[0] == ""


def test_annotated_images_stay_in_their_folder(tmp_path):
    folder = AnnotatedImages(str(tmp_path / "out"))
    image = Image.new("RGB", (9, 9))
    for name in ("../../up.png", "http://host/a/b.png?x=1", "..", "", "/", "a" * 400, "con\x1b[1m.png", "\udcff.jpg"):
        path = folder.save(name, image, ["x"])
        assert path.resolve().parent == (tmp_path / "out").resolve()
        assert path.name.isprintable()
    assert len(list((tmp_path / "out").iterdir())) == 8
    with pytest.raises(EdgekitError, match="cannot be created"):
        AnnotatedImages("a\0b")

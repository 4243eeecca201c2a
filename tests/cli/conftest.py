"""Commands run in this process, and images that they may spoil."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.cli import main, progress


@pytest.fixture
def edgekit(capsys, monkeypatch):
    """Run a command in this process: its exit code, stdout and stderr."""

    monkeypatch.setattr(progress, "_QUIET_S", 600)  # a busy machine must not add lines to stderr

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        try:
            main.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def mistake(edgekit):
    """Run a command that must end in one line on stderr and nothing on stdout: its exit code and that line."""

    def run(*arguments):
        code, out, err = edgekit(*arguments)
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return code, err

    return run


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """An image folder of upright and lying bars in noise: 60 images in train/, 20 in val/."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("val", 10)):
        for name in ("bar", "line"):
            folder = tmp_path / "bars" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 60, (28, 28)).astype(np.uint8)
                at = int(rng.integers(6, 20))
                pixels[at : at + 4] += 150
                Image.fromarray(pixels if name == "line" else pixels.T).save(folder / f"{number}.png")
    return tmp_path / "bars"


@pytest.fixture
def write_drawn(tmp_path: Path):
    """Return a function that writes noise on which a model is calibrated by a temperature, and returns the folder."""

    def write(model: Path, count: int, *, temperature: float, name: str = "drawn") -> Path:
        from made_reports import drawn_images  # here, because it needs the onnx package

        images = drawn_images(model, count, temperature=temperature)
        for image, pixels, label in zip(images.names, images.sources, images.labels, strict=True):
            folder = tmp_path / name / images.classes[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{image}.png")
        return tmp_path / name

    return write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images of each of the tiny model's classes."""
    from made_models import LABELS  # here, because it needs the onnx package and most tests go without it

    rng = np.random.default_rng(0)
    for label in LABELS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"

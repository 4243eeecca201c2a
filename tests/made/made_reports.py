"""Evaluations for the page: of hostile names, and a browser to look at it."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_models import LABELS, write_tiny

from edgekit import Classifier
from edgekit.dataset import ImageSet
from edgekit.evaluate.evaluation import Evaluation, evaluate
from edgekit.evaluate.predictions import EvaluatedModel, predict_all

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (SCRIPT, '"><img src=x onerror=alert(2)>', "</style><script>alert(3)</script>", "\u202eevil\x1b[31m&amp;")


def evaluated_model(path: Path, crops: str = "center", name: str = "tiny") -> EvaluatedModel:
    return EvaluatedModel(name, path, Classifier(path), crops)


def random_images(count: int) -> ImageSet:
    """Noise, of the tiny model's classes in turn."""
    rng = np.random.default_rng(3)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(count)]
    return ImageSet(LABELS, sources, tuple(f"p{n}" for n in range(count)), tuple(n % 4 for n in range(count)))


def hostile_evaluation(folder: Path, *, images: int = 40) -> Evaluation:
    """Two models whose labels, names and images' names try to be more than text; they differ in some answers."""
    first = write_tiny(folder / "first.onnx", labels=HOSTILE)
    second = write_tiny(folder / "second.onnx", labels=(HOSTILE[1], HOSTILE[0], *HOSTILE[2:]))
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(images)]
    names = tuple(f"{HOSTILE[n % 4]}{n}.png" for n in range(images))
    shown = ImageSet(
        HOSTILE, [*sources, b"broken"], (*names, SCRIPT), tuple(n % len(LABELS) for n in range(images + 1))
    )
    models = [EvaluatedModel(f"{SCRIPT} {path.stem}", path, Classifier(path)) for path in (first, second)]
    return evaluate(predict_all(models, shown), data=f"data {SCRIPT}")


def browser() -> str:
    """The path of Chromium; skips where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("Chromium is not installed; on Debian: apt-get install chromium")
    return found


def opened(page: Path, *, width: int, scratch: Path) -> tuple[str, list[str], int]:
    """The page as Chromium holds it, what its console said, and how wide it wants to be when it is `width` wide."""
    frame = scratch / "frame.html"
    frame.write_text(
        f'<body><iframe id="f" src="{page.as_uri()}" style="width:{width}px;height:800px"></iframe><script>'
        "f.onload = () => { const root = f.contentDocument.documentElement, copy = document.createElement('template');"
        "document.title = 'wide ' + root.scrollWidth; copy.innerHTML = root.outerHTML; document.body.append(copy); }"
        "</script>"
    )
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command += [f"--user-data-dir={scratch / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=4000"]
    done = subprocess.run([*command, "--dump-dom", frame.as_uri()], capture_output=True, text=True, timeout=300)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    title = re.search(r"<title>wide (\d+)</title>", done.stdout)
    assert title, done.stderr
    return done.stdout, said, int(title[1])

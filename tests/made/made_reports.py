"""Evaluations for the report page, some with hostile names, and a browser that opens the page."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_models import LABELS, write_tiny

from edgekit import Classifier
from edgekit.dataset import ImageSet
from edgekit.evaluate.evaluation import Evaluation, evaluate
from edgekit.evaluate.predictions import EvaluatedModel, predict_all
from edgekit.preprocess.scores import softmax

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (SCRIPT, '"><img src=x onerror=alert(2)>', "</style><script>alert(3)</script>", "\u202eevil\x1b[31m&amp;")


class Reader(HTMLParser):
    """Every element with its attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def evaluated_model(path: Path, crops: str = "center", name: str = "tiny") -> EvaluatedModel:
    return EvaluatedModel(name, path, Classifier(path), crops)


def random_images(count: int) -> ImageSet:
    """Draw noise images, labeled with the classes of the tiny model in turn."""
    rng = np.random.default_rng(3)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(count)]
    return ImageSet(LABELS, sources, tuple(f"p{n}" for n in range(count)), tuple(n % 4 for n in range(count)))


def drawn_images(model: Path, count: int, *, temperature: float) -> ImageSet:
    """Draw noise images whose classes are drawn too: the model is calibrated on them by this temperature."""
    rng = np.random.default_rng(7)
    with Classifier(model) as classifier:
        labels, (height, width) = classifier.labels, classifier.info.preprocess.crop
        sources = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]
        shares = [softmax(classifier.predict(source).logits / temperature) for source in sources]
    truth = tuple(int(rng.choice(len(labels), p=share)) for share in shares)
    return ImageSet(labels, sources, tuple(f"d{n}" for n in range(count)), truth)


def hostile_evaluation(folder: Path, *, images: int = 40) -> Evaluation:
    """Evaluate two models that differ in some predictions; their names, labels and image names contain markup."""
    first = write_tiny(folder / "first.onnx", labels=HOSTILE)
    second = write_tiny(folder / "second.onnx", labels=(HOSTILE[1], HOSTILE[0], *HOSTILE[2:]))
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(images)]
    names = tuple(f"{HOSTILE[n % 4]}{n}.png" for n in range(images))
    images_with_broken = ImageSet(
        HOSTILE, [*sources, b"broken"], (*names, SCRIPT), tuple(n % len(LABELS) for n in range(images + 1))
    )
    models = [EvaluatedModel(f"{SCRIPT} {path.stem}", path, Classifier(path)) for path in (first, second)]
    return evaluate(predict_all(models, images_with_broken), data=f"data {SCRIPT}")


def browser() -> str:
    """Return the path of Chromium; skip the test if it is not installed."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("Chromium is not installed; on Debian: apt-get install chromium")
    return path


def opened(page: Path, *, width: int, scratch: Path) -> tuple[str, list[str], int]:
    """Open the page in Chromium, `width` pixels wide, and return its DOM, its console messages and its scroll width."""
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
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    title = re.search(r"<title>wide (\d+)</title>", done.stdout)
    assert title, done.stderr
    return done.stdout, messages, int(title[1])

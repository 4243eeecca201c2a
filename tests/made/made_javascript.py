"""Web and Node bundles of models, and the programs of tests/javascript that run them."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from made_reports import browser
from PIL import Image

from edgekit.bundle.write import write_bundle
from edgekit.image.load import load_image
from edgekit.image.synthetic import draw_scenes

SCRIPTS = Path(__file__).parents[1] / "javascript"
PACKAGES = SCRIPTS / "node_modules"
_LIMIT_S = 120


def node() -> str:
    """Return the path of Node.js; skip the test if it or the npm packages of the tests are missing."""
    path = which("node")
    if path is None:
        pytest.skip("Node.js is not installed; on Debian: apt-get install nodejs npm")
    if not PACKAGES.is_dir():
        pytest.skip("run: npm install --no-package-lock --ignore-scripts --prefix tests/javascript")
    return path


def run_node(script: Path, *arguments: str, status: int = 0) -> str:
    """Run a program with Node.js, and return what it prints."""
    done = subprocess.run([node(), script, *arguments], capture_output=True, text=True, timeout=_LIMIT_S)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def run_browser(bundle: Path, scenario: str, **config: object) -> dict:
    """Open a web bundle in Chromium, and return what the scenario of tests/javascript/browser.mjs returns."""
    return _run_scenario(
        scenario, config | {"python": sys.executable, "root": str(bundle.parent), "bundle": bundle.name}
    )


def run_browser_at(site: str, scenario: str, **config: object) -> dict:
    """Open the page of a running server in Chromium, and return what the scenario returns."""
    return _run_scenario(scenario, config | {"site": site})


def _run_scenario(scenario: str, config: dict) -> dict:
    config |= {"chromium": browser(), "scenario": scenario}
    return json.loads(run_node(SCRIPTS / "browser.mjs", json.dumps(config)))


def write_web_bundle(model: Path | str, folder: Path, **settings: object) -> Path:
    """Write a web bundle with the runtime of the tests."""
    node()
    write_bundle([model], folder, platform="web", runtime=PACKAGES / "onnxruntime-web", **settings)
    return folder


def write_node_bundle(model: Path | str, folder: Path, *, linked: bool = True, **settings: object) -> Path:
    """Write a Node bundle. linked: whether it finds the npm packages of the tests."""
    node()
    write_bundle([model], folder, platform="node", **settings)
    if linked:
        (folder.parent / "node_modules").symlink_to(PACKAGES)  # Node looks in every folder above a program
    return folder


def write_drawings(folder: Path) -> list[str]:
    """Write two PNG files, of which the tiny model has different predictions."""
    paths = [str(folder / name) for name in ("first.png", "second.png")]
    for path, scene in zip(paths, draw_scenes(2), strict=True):
        scene.save(path)
    return paths


def photographs(shared: Path, count: int) -> list[Path]:
    """Choose photographs of different classes, two of which have a color profile."""
    files = sorted((shared / "data" / "imagenet-photos" / "images").iterdir())
    return files[:: len(files) // count][:count]


def served(photos: list[Path], root: Path, color: str = "RGB") -> list[dict]:
    """Copy photographs below the root of a server, each with its pixels as Pillow decodes them."""
    entries = []
    for number, photo in enumerate(photos):
        image = load_image(photo, color=color).pixels
        size = {"width": image.width, "height": image.height}
        entries.append({"file": f"{number}.jpg", "pixels": f"{number}.bin", **size})
        (root / f"{number}.jpg").write_bytes(photo.read_bytes())
        (root / f"{number}.bin").write_bytes(image.tobytes())
    return entries


def transparent_image() -> Image.Image:
    """An image with every value of alpha."""
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 4), np.uint8)
    return Image.fromarray(pixels)

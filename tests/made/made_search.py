"""A search of a minute on drawn images for a device with a made-up cost model; as a script, one that kills itself.

Arguments of the script: folder of the images, output, and the beginning of the stage at which it kills itself, if any.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.fit.budget import Budget
from edgekit.fit.cost_model import CostModel
from edgekit.fit.device import Device
from edgekit.fit.fitted import Fitted
from edgekit.fit.search import fit
from edgekit.runtime.targets import TARGETS

BUDGET = Budget(latency_ms=0.5, size_bytes=1_000_000)


class _EveryWork(dict[str, float]):
    """The milliseconds of one unit of any amount of work."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> float:
        return 2e-8


def made_device(*, is_here: bool = False) -> Device:
    """A device on which everything costs the same. If it is not here, a search does not depend on timings."""
    names = ("float32", "int8")
    models = {
        name: CostModel(precision=name, milliseconds=_EveryWork(), micro_graph_error=0.0, reference_ms=1.0)
        for name in names
    }
    return Device(
        name="made",
        threads=1,
        is_here=is_here,
        source="made",
        created="2026-11-28T09:00:00Z",
        runtime="onnxruntime 1.31.1",
        target=TARGETS["x86-avx2"],
        models=models,
    )


def draw_images(root: Path, *, train: int = 24, val: int = 12, size: int = 32) -> Path:
    """Color images of horizontal and vertical stripes in noise, in train/CLASS/ and val/CLASS/."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for axis, name in enumerate(("rows", "columns")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                stripes = 60 * np.sin(np.arange(size) / rng.uniform(1, 2) + rng.uniform(0, 6))
                pixels = 128 + np.expand_dims(stripes, (1 - axis, 2)) + rng.normal(0, 20, (size, size, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02}.png")
    return root


def search(
    data: Path,
    output: Path,
    *,
    precision: str = "float32",
    device: Device | None = None,
    budget: Budget = BUDGET,
    training: bool = True,
    hours: float = 0.001,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Fitted:
    """A search whose time is over at once: every training is as short as it may be."""
    return fit(
        data,
        output,
        budget=budget,
        device=device or made_device(),
        hours=hours,
        networks=("mobilenet_v1",),
        precisions=(precision,),
        training=training,
        max_drop=100.0,
        workers=0,
        progress=progress,
        on_note=on_note,
    )


def _main(data: str, output: str, last_stage: str = "", signal_name: str = "SIGKILL") -> None:
    def progress(stage: str, done: int, total: int | None) -> None:
        if last_stage and stage.startswith(last_stage) and (done or total is None):
            os.kill(os.getpid(), signal.Signals[signal_name])

    try:
        fitted = search(Path(data), Path(output), progress=progress)
    except KeyboardInterrupt:
        sys.exit("interrupted")
    print(fitted.chosen.name if fitted.chosen else None)


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""Images resized by TensorFlow, which the tests compare with.

    python tests/made/made_resized.py

writes tests/data/resized_by_tensorflow.npz anew, in an environment with tensorflow-cpu. It was last run with 2.21.0.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

PATH = Path(__file__).parents[1] / "data" / "resized_by_tensorflow.npz"
METHODS = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic", "lanczos": "lanczos3"}
# Source size, resized size: enlarged, reduced, both, exact halves, and so long that float32 coordinates are coarse.
SIZES = (
    ((13, 17), (20, 23)),
    ((13, 17), (5, 4)),
    ((9, 31), (22, 8)),
    ((12, 10), (6, 5)),
    ((2, 1), (7, 3)),
    ((2, 9001), (2, 97)),
)


def synthetic(height: int, width: int) -> npt.NDArray[np.uint8]:
    """An RGB image whose neighboring pixels differ strongly."""
    y, x, channel = np.indices((height, width, 3))
    return ((37 * y * y + 101 * x + 59 * x * y + 83 * channel) % 256).astype(np.uint8)


def _resized() -> dict[str, npt.NDArray[np.uint8]]:
    import tensorflow as tf  # here, because it is installed only where this file is run

    return {
        f"{name} {number}": np.rint(tf.image.resize(synthetic(*source), target, method, antialias=False).numpy())
        .clip(0, 255)
        .astype(np.uint8)
        for name, method in METHODS.items()
        for number, (source, target) in enumerate(SIZES)
    }


if __name__ == "__main__":
    np.savez_compressed(PATH, **_resized())

"""Prediction without edgekit, as in a plain script: Pillow, numpy, and onnxruntime with its defaults.

Run as a program, it predicts one image and prints its peak memory: python naive_script.py MODEL IMAGE. It does not
import edgekit, so that the whole process costs what such a script costs.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

_SIDE = 224  # pixels, for inputs with a dynamic height or width


def open_session(path: str) -> ort.InferenceSession:
    """Open a session with onnxruntime's defaults."""
    return ort.InferenceSession(path)


def predict(session: ort.InferenceSession, path: str) -> npt.NDArray[Any]:
    """Predict an image file: decode, resize the short edge, crop the center, normalize, run.

    Args:
        session: a model with one image input, uint8 (N, H, W, C) or float32 (N, C, H, W).
        path: the image file.

    Returns:
        The model's first output.
    """
    model_input = session.get_inputs()[0]
    raw = model_input.type == "tensor(uint8)"
    channels, height, width = _layout(model_input.shape, raw)
    image = Image.open(path).convert("RGB" if channels == 3 else "L")
    scale = max(height, width) * 8 / 7 / min(image.size) if height >= _SIDE else max(height, width) / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    crop = image.crop((left, top, left + width, top + height))
    if raw:
        tensor: npt.NDArray[Any] = np.array(crop).reshape(1, height, width, channels)
    else:
        pixels = np.array(crop, dtype=np.float32).reshape(height, width, channels) / 255.0
        tensor = ((pixels - 0.5) / 0.5).transpose(2, 0, 1)[None].astype(np.float32)
    output: npt.NDArray[Any] = session.run(None, {model_input.name: tensor})[0]
    return output


def _layout(shape: list[Any], raw: bool) -> tuple[int, int, int]:
    """Channels, height and width of a float32 (N, C, H, W) or uint8 (N, H, W, C) input."""
    channels, height, width = (shape[3], shape[1], shape[2]) if raw else shape[1:]
    return channels, *(extent if isinstance(extent, int) else _SIDE for extent in (height, width))


def peak_bytes() -> int:
    """The peak resident memory of this process in bytes."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # not Linux
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    predict(open_session(sys.argv[1]), sys.argv[2])
    print(json.dumps({"peak_bytes": peak_bytes()}))  # noqa: T201

"""Keras: the modes of `keras.applications.imagenet_utils.preprocess_input`, after `keras.utils.load_img`."""

from __future__ import annotations

from typing import Any

from edgekit.errors import SpecError, unknown
from edgekit.export.third_party_config import ThirdPartyConfig

# By mode: mean and std of (x / 255 - mean) / std in RGB order, and whether the model expects BGR. `raw` is for networks
# that contain their own normalization: EfficientNet, MobileNetV3 and ConvNeXt.
_MODES: dict[str, tuple[tuple[float, ...], tuple[float, ...], bool]] = {
    "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, True),
    "tf": ((0.5,), (0.5,), False),
    "torch": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False),
    "raw": ((0.0,), (1 / 255,), False),
}
MODES = tuple(_MODES)


def read(mode: str) -> ThirdPartyConfig:
    """The preprocessing of a mode, for images that are loaded with `load_img(path, target_size=...)`.

    `load_img` squashes the image to the size of the input, by default with Pillow's nearest neighbor.

    Args:
        mode: "caffe", "tf", "torch" or "raw".

    Raises:
        SpecError: the mode is not known.

    Example:
        >>> from edgekit.export.configs import keras
        >>> keras.read("tf").preprocess["mean"]
        (0.5,)
    """
    if mode not in _MODES:
        raise SpecError(unknown("mode of Keras", mode, _MODES))
    mean, std, bgr = _MODES[mode]
    preprocess: dict[str, Any] = {"fit": "squash", "interpolation": "nearest", "mean": mean, "std": std}
    sources = dict.fromkeys([*preprocess, *(["bgr"] if bgr else [])], f"preset keras-{mode}")
    return ThirdPartyConfig(preprocess=preprocess, bgr=bgr, sources=sources)

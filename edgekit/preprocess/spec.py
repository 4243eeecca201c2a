"""From an upright image to the pixels that a network accepts: the specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from PIL import Image

from edgekit.errors import SpecError, must_be, unknown
from edgekit.image.color_modes import Color
from edgekit.image.load import LoadedImage
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.crops import PLANS, View
from edgekit.preprocess.field_values import MAX_EXTENT, check_known, fill_value, is_count, size_value, statistics
from edgekit.preprocess.geometry import Offset, ResizeFit, content_size
from edgekit.preprocess.resampling import INTERPOLATIONS, Interpolation, Resampler, cut_views

_IMAGENET_CROP = Size(224, 224)
# Left out of `to_dict` while they have their defaults, so that files from before these fields keep their bytes.
_LATER_FIELDS = {"fit": "short-edge", "offset": "round", "resampler": "pillow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How images become network input.

    The arithmetic for one view of an upright image, in this order:

    1. Resize the whole image. Its size follows from `fit`:
       - short-edge: the short edge becomes `resize`, the long one floor(resize * long / short). If the crop is larger
         than that with its padding, both sides are multiplied by the larger (crop - 2 * pad) / extent, as an exact
         fraction, and rounded up.
       - squash: exactly `resize`, whatever the proportions.
       - letterbox: both sides divided by the larger of height / resize height and width / resize width, in double
         precision, and rounded half to even, but at least 1: the image lies inside `resize`.
       - cover: the same with the smaller of the two: the image covers `resize`.
       Its pixels follow from `interpolation`, in the arithmetic of `resampler`:
       - pillow: Pillow's antialiased filters, with 8-bit results after each axis: across, then down, but first down if
         the height shrinks, and by more than twice as many pixels as the width. nearest is not antialiased and takes
         the pixel at floor((i + 0.5) * extent / resized extent).
       - torch, tensorflow: no antialiasing; `edgekit.preprocess.interpolation` has the formulas.
    2. Add `pad` pixels of the color `fill` on each side.
    3. Cut `crop`, at the center. Along an axis on which the image is at least as long as the crop, the crop begins at
       (extent - crop) / 2, rounded by `offset`. On another (there is none with short-edge), the crop has
       (crop - extent) / 2 pixels of `fill` before the image, rounded down for offset round and up for offset floor.
       Mirror if the view says so.
    4. That is the input of the model file: uint8 (height, width, channels), 3 channels (RGB) or 1 (gray) by `color`.
    5. Inside the graph: (value / 255 - mean) / std for each channel.

    Args:
        color: "RGB" or "L" (gray).
        fit: "short-edge", "squash", "letterbox" or "cover": how the size of the whole image is made.
        resize: for short-edge one length in pixels, otherwise (height, width), where one integer stands for a square;
            1 to 4096 each.
        pad: border on each side, in pixels, from 0, smaller than the crop.
        fill: color outside the image, 0 to 255 for each channel; one integer stands for every channel.
        crop: (height, width) of the network's input in pixels, 1 to 4096; one integer stands for a square.
        offset: "round" (half to even, as torchvision) or "floor" (down, as transformers and Keras): where a crop begins
            if (extent - crop) is odd.
        interpolation: nearest, bilinear or bicubic; with resampler tensorflow also lanczos, with pillow also lanczos,
            box and hamming.
        resampler: "pillow", "torch" (`interpolate` of float tensors with antialias=False, align_corners=False) or
            "tensorflow" (`tf.image.resize` with antialias=False).
        mean: mean of each channel on a 0-1 scale, -1 to 1; a single number stands for every channel.
        std: standard deviation of each channel on a 0-1 scale, 1/1024 to 4; a single number stands for every channel.

    Raises:
        SpecError: a value is not possible.

    Example:
        >>> from edgekit import Preprocess, load_image
        >>> preprocess = Preprocess(resize=36, crop=32, mean=0.5, std=0.25)
        >>> preprocess.crop
        Size(height=32, width=32)
        >>> preprocess.pixels(load_image("photo.jpg")).shape
        (1, 32, 32, 3)
        >>> Preprocess(fit="letterbox", resize=224, fill=114).describe()
        '224x224 RGB, letterboxed into 224x224, bilinear, filled with 114'
    """

    color: Color = "RGB"
    fit: ResizeFit = "short-edge"
    resize: int | Size = 256
    pad: int = 0
    fill: tuple[int, ...] = (0,)
    crop: Size = _IMAGENET_CROP
    offset: Offset = "round"
    interpolation: Interpolation = "bilinear"
    resampler: Resampler = "pillow"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.color not in ("RGB", "L"):
            raise SpecError(unknown("color", self.color, ("RGB", "L")))
        for name, kind in (("fit", ResizeFit), ("offset", Offset), ("resampler", Resampler)):
            check_known(name, getattr(self, name), get_args(kind))
        check_known("interpolation", self.interpolation, INTERPOLATIONS["pillow"])
        if self.interpolation not in INTERPOLATIONS[self.resampler]:
            *others, last = INTERPOLATIONS[self.resampler]
            expected = f"{', '.join(others)} or {last} with resampler {self.resampler}"
            raise SpecError(must_be("interpolation", expected, self.interpolation))
        object.__setattr__(self, "crop", size_value("crop", self.crop))
        if self.fit != "short-edge":
            object.__setattr__(self, "resize", size_value("resize", self.resize))
        elif not is_count(self.resize, least=1, most=MAX_EXTENT):
            expected = f"an integer from 1 to {MAX_EXTENT} pixels; (height, width) needs another `fit` than short-edge"
            raise SpecError(must_be("resize", expected, self.resize))
        object.__setattr__(self, "fill", fill_value(self.fill, self.color))
        object.__setattr__(self, "mean", statistics("mean", self.mean, self.color))
        object.__setattr__(self, "std", statistics("std", self.std, self.color))
        if not is_count(self.pad, least=0, most=min(self.crop) - 1):  # a corner crop must see some image
            raise SpecError(must_be("pad", f"an integer from 0 to {min(self.crop) - 1}, below the crop", self.pad))

    @property
    def channels(self) -> int:
        """Number of channels: 3 for RGB, 1 for gray."""
        return len(self.color)

    @property
    def antialiased(self) -> bool:
        """Whether every pixel of the original has a share in the resized image, so that a reduced JPEG will do too."""
        return self.resampler == "pillow" and self.interpolation != "nearest"

    def pixels(
        self, image: LoadedImage | Image.Image, views: Sequence[View] | None = None, *, whole: bool = True
    ) -> Pixels:
        """Cut the views out of an image: uint8 (views, height, width, channels).

        Args:
            image: upright, in mode `color`: from `load_image`, or a PIL image, which is taken to be complete.
            views: what to cut, from the `views` of a crop plan; the center crop by default. Views that resize the image
                to the same size share the resampling.
            whole: whether to resample the whole image, which is the reference. False resamples only the view's own box
                if no other view has its size, as training and prediction do: faster, and equal except for rounding (at
                most one level in each direction).

        Raises:
            SpecError: the image is not one, or is in another mode than `color`.

        Example:
            >>> from edgekit import Preprocess, load_image, plan_named
            >>> preprocess, image = Preprocess(resize=36, crop=32), load_image("photo.jpg")
            >>> preprocess.pixels(image, plan_named("ten").views(image.size, preprocess)).shape
            (10, 32, 32, 3)
        """
        if isinstance(image, Image.Image):
            image = LoadedImage.of(image)
        elif not isinstance(image, LoadedImage):
            raise SpecError(must_be("image", "the result of load_image, or a PIL image", image))
        mode = image.pixels.mode
        if mode != self.color:
            raise SpecError(f"`image` is in mode {mode}, but the network expects {self.color}; load_image converts it")
        if views is None:
            views = PLANS["center"].views(image.size, self)
        return cut_views(image, views, self, whole=whole)

    def describe(self) -> str:
        """The preprocessing in one line, without mean and std: for model cards and messages.

        Example:
            >>> from edgekit import Preprocess
            >>> Preprocess().describe()
            '224x224 RGB, short edge 256, bilinear'
        """
        resized = {
            "short-edge": f"short edge {self.resize}",
            "cover": f"covering {self.resize}",
            "squash": f"squashed to {self.resize}",
            "letterbox": f"letterboxed into {self.resize}",
        }
        parts = [f"{self.crop} {self.color}", resized[self.fit], self.interpolation]
        if self.resampler != "pillow":
            parts[-1] += f" as in {self.resampler}, not antialiased"
        if self.pad:
            parts.append(f"padded by {self.pad}")
        if any(self.fill):
            parts.append(f"filled with {' '.join(map(str, self.fill if len(set(self.fill)) > 1 else self.fill[:1]))}")
        if self.offset == "floor":
            parts.append("crop offset rounded down")
        return ", ".join(parts)

    def with_changes(self, changes: Mapping[str, Any]) -> Preprocess:
        """The same preprocessing with other values.

        Args:
            changes: new values by their names. A new `fit` other than short-edge, without `resize`, resizes to the crop
                without its padding: the network sees the whole image.

        Raises:
            SpecError: a name is not known, or a value is not possible.

        Example:
            >>> from edgekit import Preprocess
            >>> Preprocess().with_changes({"fit": "squash"}).resize
            Size(height=224, width=224)
        """
        values = self.to_dict() | dict(changes)
        if "resize" in changes or values.get("fit", "short-edge") in ("short-edge", self.fit):
            return Preprocess.from_dict(values)
        changed = Preprocess.from_dict(values | {"resize": values["crop"]})
        return replace(changed, resize=content_size(changed))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, for `from_dict`. Defaults of fit, fill, offset and resampler are left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if not any(self.fill):
            del values["fill"]
        for name, default in _LATER_FIELDS.items():
            if values[name] == default:
                del values[name]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """A Preprocess from the values of `to_dict`, or from some of them over the defaults.

        Args:
            values: the values by their names.

        Raises:
            SpecError: a name is not known, or a value is not possible.

        Example:
            >>> from edgekit import Preprocess
            >>> Preprocess.from_dict({"crop": [224, 320]}).crop
            Size(height=224, width=320)
        """
        if not isinstance(values, dict):
            raise SpecError(must_be("preprocess", "names with values", values))
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise SpecError(unknown("preprocess value", name, known))
        return cls(**values)

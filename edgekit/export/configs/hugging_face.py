"""Hugging Face transformers: config.json of a classifier, and preprocessor_config.json of its image processor.

What each processor computes, and the values that it uses where its file has none, are those of transformers 5.24, whose
files of version 4 have the same keys. Its Pillow backend is reproduced exactly. Its torchvision backend resamples in
another order: on 20 photos, 0.2 to 2% of the pixels then differ by one level, and if a photo is enlarged with bicubic,
up to 8% by up to 22 levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any, NamedTuple

from edgekit.errors import ArtifactError, quote, unknown
from edgekit.export.configs.document import Document
from edgekit.export.configs.hugging_face_processors import BY_MODEL_TYPE, COMMON, PROCESSORS, REFUSED
from edgekit.export.third_party_config import ThirdPartyConfig
from edgekit.label_files import labels_of
from edgekit.preprocess.scores import Task

_INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # in the order of Pillow's numbers
# They ignore do_normalize and the statistics, which transformers writes all the same.
_NOT_NORMALIZED = {"MobileViTImageProcessor"}
# The key that decides each value of the preprocessing; `size` decides the others.
_KEYS = {
    "interpolation": "resample",
    "mean": "image_mean",
    "std": "image_std",
    "bgr": "do_flip_channel_order",
}
_TASKS: dict[str, Task] = {
    "single_label_classification": "single-label",
    "multi_label_classification": "multi-label",
}


class _Geometry(NamedTuple):
    """The resize, and the size that it leaves; None if that depends on the image."""

    fit: str
    resize: int | tuple[int, int]
    size: tuple[int, int] | None


def read(
    config: Mapping[str, Any],
    processor: Mapping[str, Any] | None = None,
    *,
    names: tuple[str, str] = ("config.json", "preprocessor_config.json"),
) -> ThirdPartyConfig:
    """Read what the configuration of a transformers classifier fixes.

    Args:
        config: the model's configuration, empty if there is none.
        processor: the image processor's configuration; without it, the preprocessing stays open.
        names: what messages and sources call the two.

    Raises:
        ArtifactError: a value has the wrong type, or the processor is not known or does what edgekit cannot reproduce.
        DataError: the class names are not named by index.
    """
    model = Document(config, names[0])
    task = model.text("problem_type")
    if task == "regression":
        raise model.refusal("the model was trained for regression, not classification")
    if task not in (None, *_TASKS):
        raise ArtifactError(f"{model.name}: {unknown('problem_type', task, _TASKS)}")
    values: dict[str, Any] = {
        "labels": _labels(model),
        "task": _TASKS[task] if task else None,
        "model": _architecture(model),
    }
    own = ThirdPartyConfig(**values, sources={name: names[0] for name, value in values.items() if value is not None})
    return own if processor is None else own.over(_read_processor(Document(processor, names[1]), model))


def are_generic(labels: tuple[str, ...]) -> bool:
    """Whether the labels are the ones that transformers makes up for a model without: LABEL_0, LABEL_1, ...

    Args:
        labels: class names.
    """
    return labels == tuple(f"LABEL_{index}" for index in range(len(labels)))


def _labels(model: Document) -> tuple[str, ...] | None:
    names = model.part("id2label")
    if names is not None:
        return labels_of(names.values, names.name)
    count = model.values.get("num_labels")
    if isinstance(count, int) and not isinstance(count, bool) and 0 < count <= 100_000:
        return tuple(f"LABEL_{index}" for index in range(count))
    # transformers does not write its default, which is two.
    is_classifier = (_architecture(model) or "").endswith("ForImageClassification")
    return ("LABEL_0", "LABEL_1") if is_classifier else None


def _architecture(model: Document) -> str | None:
    """The class of the network."""
    names = model.values.get("architectures")
    if names is not None and not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
        raise model.error("architectures", "a list of names")
    return names[0] if names else None


def _read_processor(processor: Document, model: Document) -> ThirdPartyConfig:
    kind = _kind(processor, model)
    values = processor.with_defaults({**COMMON, **PROCESSORS[kind]})
    for key in ("do_pad", "do_thumbnail", "do_align_long_axis"):
        if values.flag(key):
            raise values.refusal(f"{key} is true")
    if not values.flag("do_resize"):
        raise values.refusal("do_resize is false, so images keep their sizes")
    geometry = _GEOMETRIES.get(kind, _resized)(values)
    preprocess: dict[str, Any] = {"resize": geometry.resize, "interpolation": _interpolation(values)}
    if geometry.fit != "short-edge":
        preprocess["fit"] = geometry.fit
    preprocess |= _crop(values, geometry)
    preprocess["mean"], preprocess["std"] = _statistics(values, is_normalized=kind not in _NOT_NORMALIZED)
    bgr = values.flag("do_flip_channel_order")
    keys = {**_KEYS, "crop": "crop_size" if values.flag("do_center_crop") else "size"}
    sources = {
        name: f"{processor.name} ({kind})" if keys.get(name, "size") in processor else f"default of {kind}"
        for name in [*preprocess, *(["bgr"] if bgr else [])]
    }
    return ThirdPartyConfig(preprocess=preprocess, bgr=bgr, sources=sources)


def _kind(processor: Document, model: Document) -> str:
    """The name of the processor's class, without the suffixes of its backends and of older versions."""
    named = processor.text("image_processor_type") or processor.text("feature_extractor_type")
    if named is None:
        model_type = model.text("model_type")
        if model_type not in BY_MODEL_TYPE:
            raise ArtifactError(
                f"{processor.name}: names no image processor, and neither does the model_type of {model.name} "
                f"(got {quote(model_type)})"
            )
        named = BY_MODEL_TYPE[model_type]
    kind = named.removesuffix("Fast").removesuffix("Pil").replace("FeatureExtractor", "ImageProcessor")
    if kind in REFUSED:
        raise processor.refusal(f"{kind}: {REFUSED[kind]}")
    if kind not in PROCESSORS:
        raise ArtifactError(f"{processor.name}: {unknown('image processor', kind, PROCESSORS)}")
    return kind


def _interpolation(values: Document) -> str:
    number = values.values["resample"]
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(_INTERPOLATIONS):
        raise values.error("resample", f"the number of a Pillow filter, 0 to {len(_INTERPOLATIONS) - 1}")
    return _INTERPOLATIONS[number]


def _short_edge(values: Document) -> int | None:
    """The size if it is that of the short edge, in each of the forms that the files have; None if it is (h, w)."""
    size, square = values.values["size"], values.flag("default_to_square")
    if isinstance(size, int):
        return None if square else values.extent("size")
    part = values.part("size") if isinstance(size, Mapping) else None
    if part is None or "shortest_edge" not in part:
        return None
    if "longest_edge" in part:
        raise values.refusal("size limits the longest edge too")
    return part.extent("shortest_edge")


def _rectangle(values: Document, key: str) -> tuple[int, int]:
    """A (height, width) in each of the forms that the files have."""
    size = values.values.get(key)
    if isinstance(size, list | tuple):
        height, width = values.extents(key, count=2) or (0, 0)
        return height, width
    part = values.part(key) if isinstance(size, Mapping) else None
    extents = [part.extent(side) for side in ("height", "width")] if part else [values.extent(key)] * 2
    if extents[0] is None or extents[1] is None:
        raise values.error(key, "a number of pixels, or an object with height and width")
    return extents[0], extents[1]


def _resized(values: Document) -> _Geometry:
    edge = _short_edge(values)
    if edge is not None:
        return _Geometry("short-edge", edge, None)
    size = _rectangle(values, "size")
    return _Geometry("squash", size, size)


def _convnext(values: Document) -> _Geometry:
    """Below 384 pixels, resize the short edge to 1 / crop_pct of the size and crop; from 384 on, squash."""
    edge = _short_edge(values)
    if edge is None:
        raise values.error("size", "an object with shortest_edge")
    if edge >= 384:
        return _Geometry("squash", (edge, edge), (edge, edge))
    return _Geometry("short-edge", int(edge / (values.number("crop_pct") or 1)), (edge, edge))


def _levit(values: Document) -> _Geometry:
    edge = _short_edge(values)
    return _resized(values) if edge is None else _Geometry("short-edge", int((256 / 224) * edge), None)


def _poolformer(values: Document) -> _Geometry:
    edge, fraction = _short_edge(values), values.number("crop_pct") or 1
    height, width = (edge, edge) if edge is not None else _rectangle(values, "size")
    if height == width:
        return _Geometry("short-edge", int(height / fraction), None)
    resize = (int(height / fraction), int(width / fraction))
    return _Geometry("squash", resize, resize)


_GEOMETRIES: dict[str, Callable[[Document], _Geometry]] = {
    "ConvNextImageProcessor": _convnext,
    "LevitImageProcessor": _levit,
    "PoolFormerImageProcessor": _poolformer,
}


def _crop(values: Document, geometry: _Geometry) -> dict[str, Any]:
    """The crop; its offset is rounded down, and if it is larger than the resized image, black surrounds that."""
    crop, is_cropped = geometry.size, values.flag("do_center_crop")
    if is_cropped:
        crop = _rectangle(values, "crop_size")
        if geometry.fit == "short-edge" and geometry.size not in (None, crop):
            raise values.refusal(f"it crops twice, to {geometry.size} and to {crop}")
    if crop is None:
        raise values.refusal("do_center_crop is false, so the input has the proportions of the image")
    if not isinstance(geometry.resize, int):
        return {"crop": crop, **({"offset": "floor"} if is_cropped else {})}
    missing = max(crop) - geometry.resize
    if missing > 0 and missing % 2:
        raise values.refusal(f"a crop of {crop} around a short edge of {geometry.resize} pixels leaves half a pixel")
    return {"crop": crop, "offset": "floor", **({"pad": missing // 2} if missing > 0 else {})}


def _statistics(values: Document, *, is_normalized: bool) -> tuple[list[float], list[float]]:
    """The mean and std of (x / 255 - mean) / std that equal those of ((x * factor + offset) - mean) / std."""
    factor, offset = 1.0, 0.0
    means: tuple[float, ...] = (0.0,)
    stds: tuple[float, ...] = (1.0,)
    if values.flag("do_rescale"):
        factor, offset = values.number("rescale_factor") or 1.0, -1.0 if values.flag("rescale_offset") else 0.0
    divisors = values.numbers("image_std") or (1.0,)
    if min(divisors) <= 0:
        raise values.error("image_std", "above 0")
    if is_normalized and values.flag("do_normalize"):
        means, stds = values.numbers("image_mean") or (0.0,), divisors
    if values.flag("include_top"):  # EfficientNet normalizes once more, by mean 0 and the same std
        stds = tuple(std * divisor for std, divisor in zip(cycle(stds), divisors, strict=False))
    return [(mean - offset) / (255 * factor) for mean in means], [std / (255 * factor) for std in stds]

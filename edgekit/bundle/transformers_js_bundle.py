"""Bundles for transformers.js: the folder that `pipeline("image-classification", FOLDER)` loads without a network.

Its image processor resizes, crops and passes levels 0..255; the graph rounds and transposes them, and divides the
logits by the model's temperature, because the pipeline always computes a plain softmax. Where the image processor
cannot express a preprocessing at all, the bundle is refused; where it can, its resampling is its own, so pixels differ
from Python's by a few levels. In Node that is least with `resample` 1, sharp's Lanczos filter, for every antialiased
interpolation: its others are not antialiased. Measured against Pillow's bilinear, in levels on average: 3.6 instead of
4.1 on 100 photographs of 500 pixels, 0.9 instead of 4.0 on one of 12 megapixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from edgekit.artifact.info import ArtifactInfo
from edgekit.artifact.json_document import parse_json_object
from edgekit.bundle.contents import Bundle, BundledModel
from edgekit.bundle.golden_vectors import json_bytes
from edgekit.errors import SpecError
from edgekit.files import sha256, write_atomically
from edgekit.graph.passes.accept_pixel_values import PIXEL_VALUES, accept_pixel_values
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.divide_logits import divide_logits
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess

PACKAGE, TESTED_VERSION = "@huggingface/transformers", "4.3.2"
_INSTALL = f"ONNXRUNTIME_NODE_INSTALL=skip npm install {PACKAGE}@{TESTED_VERSION}"
# Of each precision: the name that transformers.js has for it, and the file in which it looks for it.
_FILES = {
    "float32": ("fp32", "model.onnx"),
    "float16": ("fp16", "model_fp16.onnx"),
    "int8": ("q8", "model_quantized.onnx"),
}
# One of the model types of its image classifiers. The type selects a class, and all of them only run the graph.
_MODEL_TYPE = "resnet"
_NEAREST, _LANCZOS, _BILINEAR, _BICUBIC = 0, 1, 2, 3  # its numbers for `resample`
_README = """# {name} for transformers.js

An image classifier that {package} {version} loads without a network: {network}, {labels} labels, {precision}.

    {install}
    node selftest.mjs

In a program for Node (in a browser, set `env.allowLocalModels = true` and `env.localModelPath` to the URL above this
folder, and pass the name of the folder):

    import {{ env, pipeline }} from "{package}";
    env.allowRemoteModels = false;
    const classifier = await pipeline("image-classification", "/absolute/path/of/this/folder"{options});
    console.log(await classifier("photo.jpg"));

- The image processor of transformers.js resizes images in its own way (in a browser, with a canvas), so probabilities
  differ from edgekit's, and a few labels do. The bundles for web and node compute exactly edgekit's pixels.
- onnx/{file}: the model with nodes in front that turn `pixel_values`, levels 0 to 255, into its own input{divided}.
- config.json: `model_type` only selects a class of the library; the network is what {name}.json states.
"""
_DIVIDED = ", and logits that are divided by its temperature"
# As `session_settings` of edgekit.runtime.targets, which has the reasons.
_OPTIONS = """, {{
      session_options: {{ extra: {{ session: {{ {setting}: "1" }} }} }},  // {otherwise}
    }}"""
_ARM = _OPTIONS.format(setting="qdqisint8allowed", otherwise="or x86 computes layers in float32")
_NOT_SATURATING = _OPTIONS.format(setting="x64quantprecision", otherwise="or sums saturate on x86 without VNNI")
_TARGET_OPTIONS = {"arm64": _ARM, "web": _NOT_SATURATING, "x86-vnni": _NOT_SATURATING}


def write_transformers_js(bundle: Bundle, *, runtime: Path | None) -> str:
    """Write the configuration, the model with its new input, and the self-test.

    NAME.onnx becomes a file of the folder onnx.

    Args:
        bundle: its common contents are written.
        runtime: not used: npm installs the library.

    Returns:
        The command that runs the self-test.

    Raises:
        SpecError: transformers.js cannot compute what the model needs; the message names it.
        EdgekitError: a file cannot be written.
    """
    del runtime
    model = bundle.model
    processor = processor_config(model.info)
    data_type, file = _FILES[model.info.precision]
    path = bundle.write(f"onnx/{file}", _with_its_input(model))
    (bundle.folder / f"{model.name}.onnx").unlink()
    _describe_again(bundle, path)
    bundle.write("config.json", json_bytes(_model_config(model.info, data_type)))
    bundle.write("preprocessor_config.json", json_bytes(processor))
    bundle.copy_sources("transformers_js")
    bundle.set_runtime(PACKAGE, TESTED_VERSION)
    bundle.write("README.md", _readme(model, file))
    return f"cd FOLDER && {_INSTALL} && node selftest.mjs"


def processor_config(info: ArtifactInfo) -> dict[str, Any]:
    """What preprocessor_config.json states: a preprocessing in the terms of the image processor of transformers.js.

    Args:
        info: metadata of the model.

    Raises:
        SpecError: transformers.js cannot compute it; the message names what it lacks.
    """
    preprocess = info.preprocess
    if info.scoring.is_multi_label:
        raise _unsupported("multi-label models: its pipeline applies a softmax to every model")
    return {
        "image_processor_type": "ImageProcessor",
        "do_resize": True,
        "size": _resized_size(preprocess),
        "resample": _resample(preprocess),
        "do_center_crop": True,
        "crop_size": {"height": preprocess.crop.height, "width": preprocess.crop.width},
        "do_convert_rgb": True,
        "do_rescale": False,
        "do_normalize": False,
    }


def _resized_size(preprocess: Preprocess) -> dict[str, int]:
    fit, resize = preprocess.fit, preprocess.resize
    target = resize if isinstance(resize, Size) else Size(resize, resize)
    if fit in ("cover", "letterbox") and target.height != target.width:
        raise _unsupported(f"fit {fit} with a `resize` that is not square ({target})")
    _require_possible_crop(preprocess, target)
    if fit == "squash":
        return {"height": target.height, "width": target.width}
    return {"longest_edge" if fit == "letterbox" else "shortest_edge": target.height}


def _require_possible_crop(preprocess: Preprocess, target: Size) -> None:
    """Its crop cannot cut an image along one axis and add a border along the other."""
    crop = preprocess.crop
    is_larger = [extent > side for extent, side in zip(crop, target, strict=True)]
    is_smaller = [extent < side for extent, side in zip(crop, target, strict=True)]
    mixed = {"squash": any(is_larger) and any(is_smaller), "letterbox": any(is_smaller)}
    if mixed.get(preprocess.fit, any(is_larger)):
        raise _unsupported(f"a crop of {crop} with fit {preprocess.fit} and a `resize` of {target}")
    if any(preprocess.fill) and (preprocess.fit == "letterbox" or any(is_larger)):
        raise _unsupported(f"a border of the color {' '.join(map(str, preprocess.fill))}: it adds only black ones")


def _resample(preprocess: Preprocess) -> int:
    if preprocess.interpolation == "nearest":
        return _NEAREST
    if preprocess.antialiased or preprocess.interpolation == "lanczos":
        return _LANCZOS
    return _BILINEAR if preprocess.interpolation == "bilinear" else _BICUBIC


def _unsupported(what: str) -> SpecError:
    return SpecError(f"transformers.js does not support {what}; bundle the model for web or node instead")


def _with_its_input(model: BundledModel) -> bytes:
    network = accept_pixel_values(onnx.load_from_string(model.data))
    if model.info.temperature is not None:
        network = divide_logits(network, temperature=model.info.temperature)
    return serialized(network)


def _describe_again(bundle: Bundle, path: Path) -> None:
    """Make NAME.json describe the changed model: its file and input, and logits that are already divided."""
    document, data = bundle.folder / f"{bundle.model.name}.json", path.read_bytes()
    description = parse_json_object(document.read_text(encoding="utf-8"), what=document.name)
    batch, height, width, _ = description["input"]["shape"]
    changes = {
        "file": f"onnx/{path.name}",
        "sha256": sha256(data),
        "bytes": len(data),
        "temperature": None,
        "input": {"name": PIXEL_VALUES, "type": "float32", "shape": [batch, 3, height, width]},
    }
    write_atomically(document, json_bytes(description | changes))


def _model_config(info: ArtifactInfo, data_type: str) -> dict[str, Any]:
    return {
        "model_type": _MODEL_TYPE,
        "id2label": {str(index): label for index, label in enumerate(info.labels)},
        "label2id": {label: index for index, label in enumerate(info.labels)},
        "transformers.js_config": {"dtype": data_type},
    }


def _readme(model: BundledModel, file: str) -> str:
    return _README.format(
        name=model.name,
        install=_INSTALL,
        package=PACKAGE,
        version=TESTED_VERSION,
        network=model.info.model,
        labels=len(model.info.labels),
        precision=model.info.precision,
        file=file,
        divided="" if model.info.temperature is None else _DIVIDED,
        options=_TARGET_OPTIONS.get(model.info.target or "", ""),
    )

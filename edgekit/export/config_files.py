"""Finds a third-party model in a folder, and the configuration that lies beside it or inside it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.artifact.info import read_model
from edgekit.artifact.json_document import parse_json_object
from edgekit.artifact.metadata import read_metadata
from edgekit.errors import ArtifactError, SpecError, check_types, listed, quote, unknown
from edgekit.export.configs import hugging_face, keras, timm, torchvision, ultralytics
from edgekit.export.third_party_config import ThirdPartyConfig
from edgekit.files import read_regular_file
from edgekit.label_files import read_labels

_MAX_BYTES = 2**23  # of a configuration file; one with 21,843 classes has 2e6
_WEIGHTS = (".safetensors", ".bin", ".pth", ".pt", ".keras", ".h5", ".tflite")
_MAX_FILES = 10_000  # of a folder that is searched
_MODEL_CONFIG, _PROCESSOR_CONFIG, _CARD = "config.json", "preprocessor_config.json", "README.md"
_MODEL_KEYS = {"model_type", "architectures", "id2label"}
_PROCESSOR_KEYS = {"image_processor_type", "feature_extractor_type", "image_mean", "do_normalize", "do_resize"}
# Names, without extension, of files of class names.
_LABEL_STEMS = (
    "class_index",
    "class_labels",
    "class_names",
    "classes",
    "id2label",
    "imagenet_class_index",
    "imagenet_classes",
    "imagenet_labels",
    "imagenetlabels",
    "label",
    "labelmap",
    "labels",
    "names",
    "synset",
)
_LABEL_EXTENSIONS = (".txt", ".json", ".yaml", ".yml", ".names")
PRESETS = (*(f"keras-{mode}" for mode in keras.MODES), "torchvision:ENUM.MEMBER")


def find_model(path: str | os.PathLike[str]) -> Path:
    """The model file itself, or the only third-party one in a folder or its subfolder `onnx`.

    Args:
        path: an .onnx file, or a folder, for example as transformers, optimum or transformers.js write it.

    Raises:
        ArtifactError: the folder has no such model, or several.
    """
    check_types(str | os.PathLike, path=path)
    path = Path(path)
    if not path.is_dir():
        return path
    models = [file for folder in (path, path / "onnx") for file in _files(folder) if file.suffix.lower() == ".onnx"]
    if len(models) > 1:  # what edgekit has written there is not what is meant
        models = [file for file in sorted(models) if "edgekit" not in read_metadata(read_model(file))]
    if len(models) > 1:
        names = listed((str(file.relative_to(path)) for file in models), most=12)
        raise ArtifactError(f"{path}: contains {len(models)} .onnx files: {names}; name one of them")
    if not models:
        weights = [file.name for file in _files(path) if file.suffix.lower() in _WEIGHTS]
        hint = f", but {listed(weights)}; export that with the library that wrote it" if weights else ""
        raise ArtifactError(f"{path}: contains no .onnx file{hint}")
    return models[0]


def find_config(
    model: str | os.PathLike[str],
    *,
    config: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    find_labels: bool = True,
) -> ThirdPartyConfig:
    """The configuration of a third-party model: of a preset, of a file, inside the model, or beside it.

    What comes first in that order wins; the preprocessing is never put together from two of them. Beside the model
    are Hugging Face's config.json and preprocessor_config.json, timm's config.json, and files of class names; in the
    parent of a folder `onnx` too.

    Args:
        model: the .onnx file.
        config: a configuration file, or the folder that has the files, instead of the files beside the model.
        preset: "keras-caffe", "keras-tf", "keras-torch", "keras-raw", or "torchvision:" and the name of a weight enum,
            such as "torchvision:ResNet50_Weights.IMAGENET1K_V2".
        find_labels: look for a file of class names too.

    Returns:
        What the configuration fixes, and where each value comes from; empty if there is none.

    Raises:
        ArtifactError: a configuration is malformed, is not of a classifier, or cannot be reproduced.
        DataError: class names are malformed.
        SpecError: the preset is not known, or several files could be the one with the class names.

    Example:
        >>> from edgekit.export import find_config
        >>> find_config("plain.onnx", preset="keras-tf").preprocess["fit"]
        'squash'
    """
    check_types(str | os.PathLike, model=model)
    check_types(str | os.PathLike | None, config=config)
    check_types(str | None, preset=preset)
    metadata = read_metadata(read_model(model))
    found = ThirdPartyConfig() if preset is None else _read_preset(preset)
    if config is not None:
        found = found.over(_read_named(Path(config)))
    if ultralytics.is_ultralytics(metadata):
        found = found.over(ultralytics.read(metadata, name=f"{os.fspath(model)}: metadata"))
    folder = Path(model).parent
    if config is None:
        found = found.over(_read_folder(folder, model=Path(model), known=found, find_labels=find_labels))
    if config is None and folder.absolute().name == "onnx":
        found = found.over(_read_folder(folder / "..", model=Path(model), known=found, find_labels=find_labels))
    return found


def _read_preset(preset: str) -> ThirdPartyConfig:
    library, colon, weights = preset.partition(":")
    if library == "torchvision" and colon:
        return torchvision.read(weights)
    if preset.removeprefix("keras-") in keras.MODES and preset.startswith("keras-"):
        return keras.read(preset.removeprefix("keras-"))
    raise SpecError(unknown("preset", preset, PRESETS))


def _read_named(path: Path) -> ThirdPartyConfig:
    """What the user named: a folder, or one file."""
    if path.is_dir():
        found = _read_folder(path, model=None, known=ThirdPartyConfig())
        if found == ThirdPartyConfig():
            raise ArtifactError(f"{path}: contains no configuration of transformers or timm, and no class names")
        return found
    config = _read_json(path)
    if _is_timm(config):
        return timm.read_config(config, name=str(path))
    if _PROCESSOR_KEYS & config.keys():
        return hugging_face.read({}, config, names=(_MODEL_CONFIG, str(path)))
    if _MODEL_KEYS & config.keys():
        return hugging_face.read(config, names=(str(path), _PROCESSOR_CONFIG))
    raise ArtifactError(f"{path}: not a configuration of transformers or timm; its keys are {quote([*config])}")


def _is_timm(config: Mapping[str, Any]) -> bool:
    return "pretrained_cfg" in config or {"architecture", "num_classes"} <= config.keys()


def _read_folder(
    folder: Path, *, model: Path | None, known: ThirdPartyConfig, find_labels: bool = True
) -> ThirdPartyConfig:
    """What the files of a folder fix; the image processor's is not read if the preprocessing is known already."""
    config_file, processor_file = folder / _MODEL_CONFIG, folder / _PROCESSOR_CONFIG
    config = _read_json(config_file) if config_file.is_file() else {}
    found = ThirdPartyConfig()
    if _is_timm(config):
        found = timm.read_config(config, name=str(config_file))
    else:
        processor = _read_json(processor_file) if processor_file.is_file() and not known.preprocess else None
        if processor is not None or _MODEL_KEYS & config.keys():
            found = hugging_face.read(config, processor, names=(str(config_file), str(processor_file)))
    if found != ThirdPartyConfig():
        found = found.over(_read_card(folder / _CARD))
    is_named = found.labels is not None and not hugging_face.are_generic(found.labels)
    names = _label_file(folder, model) if find_labels and known.labels is None and not is_named else None
    if names is None:
        return found
    return ThirdPartyConfig(labels=read_labels(names), sources={"labels": str(names)}).over(found)


def _read_card(card: Path) -> ThirdPartyConfig:
    """The license that the front matter of a model card states."""
    if not card.is_file():
        return ThirdPartyConfig()
    text = read_regular_file(card, max_bytes=_MAX_BYTES, error=ArtifactError).decode("utf-8", "replace")
    front = re.match(r"---[ ]*\r?\n(.*?)\n---", text, re.DOTALL)
    stated = re.search(r"^license:[ ]*([\w.+-]+)[ ]*\r?$", front[1], re.MULTILINE) if front else None
    if stated is None or stated[1] == "other":
        return ThirdPartyConfig()
    return ThirdPartyConfig(license=stated[1], sources={"license": str(card)})


def _label_file(folder: Path, model: Path | None) -> Path | None:
    """The file of class names in the folder. Raises SpecError if there are several."""
    own = () if model is None else (model.stem.lower(), f"{model.stem.lower()}_labels", f"{model.stem.lower()}.labels")
    files = [
        file
        for file in _files(folder)
        if file.suffix.lower() in _LABEL_EXTENSIONS and file.stem.lower() in (*_LABEL_STEMS, *own)
    ]
    if len(files) > 1:
        raise SpecError(
            f"{folder}: several files may have the class names: {listed(file.name for file in files)}; set `labels`"
        )
    return files[0] if files else None


def _files(folder: Path) -> list[Path]:
    """The visible files of a folder, sorted; none if it does not exist."""
    if not folder.is_dir():
        return []
    try:
        entries = [entry for entry, _ in zip(folder.iterdir(), range(_MAX_FILES), strict=False)]
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot be read: {error.strerror}") from None
    return sorted(entry for entry in entries if not entry.name.startswith(".") and entry.is_file())


def _read_json(path: Path) -> dict[str, Any]:
    data = read_regular_file(path, max_bytes=_MAX_BYTES, error=ArtifactError)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArtifactError(f"{path}: not a JSON file in UTF-8") from None
    return parse_json_object(text, what=str(path))

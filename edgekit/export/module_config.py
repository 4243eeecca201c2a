"""What a torch module from another library, or the object that prepares its images, states about both.

timm's modules carry a `pretrained_cfg`, those of transformers a `config`; torchvision keeps the transforms in weight
enums, and transformers in image processors. The objects are recognized by their attributes and the module of their
class: no library is imported that the caller has not imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from edgekit.errors import SpecError, must_be, quote
from edgekit.export.configs import hugging_face, timm, torchvision
from edgekit.export.third_party_config import ThirdPartyConfig
from edgekit.labels import check_labels
from edgekit.preprocess.spec import Preprocess

_ACCEPTED = (
    "a Preprocess, an image processor of transformers, a weight enum of torchvision or its transforms(), or a data "
    "configuration of timm"
)
_NEEDED = {"preprocess": _ACCEPTED, "labels": "the class names in the order of the scores"}
# What a pretrained_cfg states besides the preprocessing.
_TIMM_CLASS_KEYS = frozenset({"num_classes", "label_names", "label_descriptions", "tag", "architecture", "license"})


def complete_config(module: nn.Module, *, preprocess: object | None, labels: Sequence[str] | None) -> ThirdPartyConfig:
    """What an export needs to know: from the caller where that says it, otherwise from the module.

    Args:
        module: the classifier.
        preprocess: what the caller says, see `preprocess_config`; None if it says nothing.
        labels: class names; None if the caller names none.

    Returns:
        A configuration with preprocessing and labels. Its sources state what was not taken from the caller. A license
        is not among it: the one that a module states is that of pretrained weights, which it may not have any more.

    Raises:
        SpecError: the preprocessing or the labels are missing, or `preprocess` cannot be used.
        ArtifactError: the module's configuration cannot be used.
    """
    config = module_config(module, with_preprocess=preprocess is None)
    if preprocess is not None:
        config = preprocess_config(preprocess).over(config)
    if labels is not None:
        config = ThirdPartyConfig(labels=check_labels(labels, least=1)).over(config)
    sources = {name: source for name, source in config.sources.items() if name != "license"}
    config = replace(config, license=None, sources=sources)
    missing = {name: form for name, form in _NEEDED.items() if not getattr(config, name)}
    if missing:
        needed = " and ".join(f"`{name}` ({form})" for name, form in missing.items())
        raise SpecError(
            f"the module ({type(module).__name__}) does not state its {' and '.join(missing)}; pass {needed}"
        )
    return config


def config_notes(module: nn.Module, config: ThirdPartyConfig) -> tuple[str, ...]:
    """What a caller should know about a configuration from `complete_config`, one line each."""
    notes = []
    license = module_config(module, with_preprocess=False).license
    if license is not None:
        notes.append(
            f"{quote(license)} is the license of the module's pretrained weights; set `license` if it has them"
        )
    if config.labels is not None and hugging_face.are_generic(config.labels):
        notes.append("the labels are those that transformers makes up for unnamed classes: LABEL_0, ...; set `labels`")
    return tuple(notes)


def module_config(module: nn.Module, *, with_preprocess: bool = True) -> ThirdPartyConfig:
    """What a module states about its preprocessing, its labels, its task and its name.

    Args:
        module: of timm or transformers; any other states nothing.
        with_preprocess: read the preprocessing; without it, one that cannot be reproduced is no error.

    Raises:
        ArtifactError: its configuration has values that cannot be used.
    """
    config = _mapping(getattr(module, "config", None))
    if config is not None and "pretrained_cfg" in config:  # a timm model within transformers
        return timm.read_config(config, name="the module's config")
    if config is not None and "id2label" in config:
        return hugging_face.read(config, names=("the module's config", "its processor"))
    pretrained = _mapping(getattr(module, "pretrained_cfg", None))
    if pretrained is None:
        return ThirdPartyConfig()
    # A module may have been created with other classes than its pretrained weights have.
    classes = getattr(module, "num_classes", pretrained.get("num_classes"))
    if classes != pretrained.get("num_classes"):
        pretrained = {**pretrained, "num_classes": classes, "label_names": None, "label_descriptions": None}
    if not with_preprocess:
        pretrained = {key: value for key, value in pretrained.items() if key in _TIMM_CLASS_KEYS}
    descriptions = _mapping(pretrained.get("label_descriptions"))
    return timm.read(pretrained, label_descriptions=descriptions, name="the module's pretrained_cfg")


def preprocess_config(source: object) -> ThirdPartyConfig:
    """The preprocessing that an object of another library describes.

    Args:
        source: an image processor of transformers or its `to_dict()`; a weight enum of torchvision, whose labels are
            taken too, or its `transforms()`; or a data configuration of timm.

    Raises:
        SpecError: it is none of these, or a preprocessing that edgekit cannot reproduce.
        ArtifactError: it has values that cannot be used.
    """
    if isinstance(source, Preprocess):
        return ThirdPartyConfig(preprocess=source.to_dict())
    kind, values = type(source), _mapping(source)
    if kind.__module__.startswith("torchvision."):
        if hasattr(source, "transforms") and hasattr(source, "meta"):
            return torchvision.read(f"{kind.__name__}.{getattr(source, 'name', '')}")
        return torchvision.read_transforms(source, name="`preprocess`")
    if values is not None and {"image_processor_type", "feature_extractor_type"} & values.keys():
        return hugging_face.read({}, values, names=("the module's config", "`preprocess`"))
    if values is not None and "input_size" in values:
        return timm.read(values, name="`preprocess`")
    raise SpecError(must_be("preprocess", _ACCEPTED, source))


def _mapping(value: object) -> Mapping[str, Any] | None:
    """The values of a mapping, or of an object with `to_dict`."""
    convert = getattr(value, "to_dict", None)
    if convert is not None and not isinstance(value, type):
        value = convert()
    return value if isinstance(value, Mapping) else None

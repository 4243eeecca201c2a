"""The format of templates: a model file whose weights have no values, and how they follow from a checkpoint's tensors.

A template is compressed with zlib. Its metadata has one JSON document under the key `edgekit_template`: facts about the
model, and for each initializer without values its source. `export.make_template` writes templates; `hub.fill_template`
turns them into models with numpy alone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.artifact.integer_weights import BatchNorm, folded_bias, folded_weights
from edgekit.artifact.json_document import parse_json_object
from edgekit.artifact.metadata import read_metadata, with_metadata
from edgekit.errors import ArtifactError, quote
from edgekit.preprocess.scores import Floats

SCHEMA = 1
_KEY = "edgekit_template"

Shape: TypeAlias = tuple[int, ...]
Tensors: TypeAlias = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """An initializer that is a tensor of the checkpoint.

    Attributes:
        tensor: name of the tensor.
        transposed: its axes are in reverse order.
    """

    tensor: str
    transposed: bool = False

    def shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shapes of the tensors that it needs, by name. shape: of the initializer."""
        return {self.tensor: shape[::-1] if self.transposed else shape}

    def values(self, tensors: Mapping[str, Floats]) -> Floats:
        """The values of the initializer."""
        values = tensors[self.tensor]
        return values.T if self.transposed else values


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The weights or the bias of a convolution with the batch norm after it.

    Attributes:
        part: "weight" or "bias".
        conv: path of the convolution in the checkpoint, e.g. "layer1.0.conv1".
        norm: path of the batch norm.
        epsilon: of the batch norm.
        has_bias: the convolution has a bias of its own.
    """

    part: Literal["weight", "bias"]
    conv: str
    norm: str
    epsilon: float
    has_bias: bool = False

    def shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shapes of the tensors that it needs, by name. shape: of the initializer."""
        channels = shape[:1]
        vectors = [f"{self.norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
        if self.has_bias:
            vectors.append(f"{self.conv}.bias")
        weights = {f"{self.conv}.weight": shape} if self.part == "weight" else {}
        return weights | dict.fromkeys(vectors, channels)

    def values(self, tensors: Mapping[str, Floats]) -> Floats:
        """The values of the initializer."""
        weight, bias, mean, variance = (
            tensors[f"{self.norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
        )
        norm = BatchNorm(weight, bias, mean, variance, self.epsilon)
        if self.part == "weight":
            return folded_weights(tensors[f"{self.conv}.weight"], norm)
        return folded_bias(tensors[f"{self.conv}.bias"] if self.has_bias else None, norm)


Source: TypeAlias = Copied | Folded


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerLayer:
    """A layer whose weights are int8 and whose bias is int32.

    Attributes:
        weights: initializers with the rounded weights and their scales.
        bias: initializers with the rounded bias and its scales. In the template, the former has as its values what
            `passes.correct_bias` adds to the rounded bias.
        weight_source: of the float weights.
        bias_source: of the float bias.
        output_axis: axis of the output channels in the weights.
        in_pairs: as in `integer_weights.weight_scales`.
        input_scale: of the activation that the weights multiply.
        least_scale: as in `integer_weights.least_weight_scale`.
    """

    weights: tuple[str, str]
    bias: tuple[str, str]
    weight_source: Source
    bias_source: Source
    output_axis: int
    in_pairs: bool
    input_scale: float
    least_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A model without weights, and where they come from.

    Attributes:
        model: content of an ONNX file whose metadata is empty.
        facts: what is known about the model (see `hub.fill_template.template_facts`).
        sources: of each float initializer without values, by its name.
        layers: the layers with integer weights.
        optional: prefixes of tensors that a checkpoint may have although the model does not need them.
    """

    model: bytes
    facts: Mapping[str, Any]
    sources: Mapping[str, Source]
    layers: tuple[IntegerLayer, ...] = ()
    optional: tuple[str, ...] = field(default=())


def pack_template(template: Template) -> bytes:
    """Encode a template. The same template always gives the same bytes.

    Args:
        template: the template.
    """
    document = {
        "schema": SCHEMA,
        "facts": dict(template.facts),
        "sources": {name: asdict(source) for name, source in template.sources.items()},
        "layers": [asdict(layer) for layer in template.layers],
        "optional": list(template.optional),
    }
    text = json.dumps(document, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return zlib.compress(with_metadata(template.model, {_KEY: text}), 9)


def unpack_template(packed: bytes) -> Template:
    """Decode a template; the inverse of `pack_template`.

    Args:
        packed: content of a template file.

    Raises:
        ArtifactError: not a template, or one of a newer version of edgekit.
    """
    try:
        model = zlib.decompress(packed)
    except zlib.error:
        raise ArtifactError("not a template of edgekit") from None
    text = read_metadata(model).get(_KEY)
    if text is None:
        raise ArtifactError("not a template of edgekit")
    document = parse_json_object(text, what="the template")
    if document.get("schema") != SCHEMA:
        raise ArtifactError(
            f"the template has schema {quote(document.get('schema'))}, but this version reads schema {SCHEMA}; "
            f"install a newer edgekit"
        )
    return Template(
        model=with_metadata(model, {}),
        facts=document["facts"],
        sources={name: _source(entry) for name, entry in document["sources"].items()},
        layers=tuple(_layer(entry) for entry in document["layers"]),
        optional=tuple(document["optional"]),
    )


def _source(entry: Mapping[str, Any]) -> Source:
    return Copied(**entry) if "tensor" in entry else Folded(**entry)


def _layer(entry: Mapping[str, Any]) -> IntegerLayer:
    names = {name: tuple(entry[name]) for name in ("weights", "bias")}
    sources = {name: _source(entry[name]) for name in ("weight_source", "bias_source")}
    return IntegerLayer(**{**entry, **names, **sources})

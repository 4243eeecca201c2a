"""Reads the model to quantize, in float32 where possible: widens float16, dequantizes the weights of float layers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import ModelProto

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo, parse_info, read_model
from edgekit.errors import ArtifactError
from edgekit.evaluate.parity import measure_parity, onnx_logits, require_parity
from edgekit.graph.passes.clean import serialized
from edgekit.image.source import Pixels
from edgekit.quantize.integer_layers import LayerCounts, layer_counts
from edgekit.quantize.passes.dequantize_weights import dequantize_weights
from edgekit.quantize.passes.widen_float16 import widen_float16
from edgekit.runtime.loaded_model import LoadedModel
from edgekit.runtime.session import DEFAULT_OPTIONS

# Relative to the largest logit. The weights are the same, but float16 arithmetic rounds to 11 bits in every layer.
TOLERANCE = 0.05
_STEP = "float32"  # the name of the conversion in the metadata
_MIN_OPSET = 13  # the first in which DequantizeLinear accepts one scale per channel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatSource:
    """A model to quantize.

    Attributes:
        name: path of the file, for messages.
        data: bytes of the file.
        info: its metadata, with the parity of the conversion once that is measured.
        model: the network, in float32 except for its integer layers.
        float32: bytes of that network; those of the file if nothing was converted.
        layers: how many layers are in float32, and how many in integers.
    """

    name: str
    data: bytes
    info: ArtifactInfo
    model: ModelProto
    float32: bytes
    layers: LayerCounts

    def with_measured_conversion(self, images: Iterable[Pixels]) -> FloatSource:
        """The same source with the parity of its conversion to float32 in `info`, if anything was converted.

        Args:
            images: uint8 (1, height, width, channels) each.

        Raises:
            ParityError: the logits of the float32 network differ by more than the rounding of float16 explains.
        """
        if self.float32 is self.data:
            return self
        target = self.info.target  # of layers that are int8 already
        before = onnx_logits(self.data, name=self.name, target=target)
        after = onnx_logits(self.float32, name="the float32 network", target=target)
        parity = measure_parity(before, after, np.concatenate(list(images)), scoring=self.info.scoring)
        require_parity(parity, step="converting to float32", tolerance=TOLERANCE)
        measured = {_STEP: parity.to_dict() | {"on": "given images"}}
        return replace(self, info=replace(self.info, parity={**self.info.parity, **measured}))

    def notes(self) -> list[str]:
        """What quantizing this model skips, or does in addition; one line each."""
        notes, (float32, integer) = [], self.layers
        if _STEP in self.info.parity and self.float32 is not self.data:
            difference = self.info.parity[_STEP]["logit_difference"]
            weights = f"its {self.info.precision} weights are converted to float32 and keep their values"
            notes.append(f"{self.name}: {weights}; the logits change by up to {difference}")
        if integer and float32:
            layers = f"{integer} of its {integer + float32} layers are int8 already and stay unchanged"
            notes.append(f"{self.name}: {layers}; layers left to quantize: {float32}")
        elif integer:
            notes.append(f"{self.name}: all {integer} layers are int8 already, so the model is compared, not quantized")
        return notes


def read_float_source(path: str | os.PathLike[str]) -> FloatSource:
    """Read a model to quantize, and convert to float32 what can be converted without changing a weight.

    Args:
        path: edgekit model in float32, float16 or int8, or with layers in several of these.

    Raises:
        ArtifactError: not an edgekit model, or it cannot run, has a fixed batch size above 1, or an opset below 13.
    """
    name, data = os.fspath(path), read_model(path)
    info = parse_info(data, name=name)
    check_model(data, name=name)
    parsed = onnx.load_from_string(data)
    _check_opset(parsed, name)
    LoadedModel(data, DEFAULT_OPTIONS, name=name)  # else what is below might raise for a graph that cannot run
    _check_batch(parsed, name)
    converted = dequantize_weights(widen_float16(parsed))
    is_same = converted.SerializeToString(deterministic=True) == parsed.SerializeToString(deterministic=True)
    return FloatSource(
        name=name,
        data=data,
        info=info,
        model=converted,
        float32=data if is_same else serialized(converted),
        layers=layer_counts(converted),
    )


def _check_opset(model: ModelProto, name: str) -> None:
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    if opset < _MIN_OPSET:
        raise ArtifactError(
            f"{name}: quantization needs opset {_MIN_OPSET} or later (got {opset}); export the model with a newer opset"
        )


def _check_batch(model: ModelProto, name: str) -> None:
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if batch > 1:
        raise ArtifactError(
            f"{name}: quantization needs a dynamic batch size (got {batch}); quantize the model before fixing its batch"
        )

"""Reads a third-party ONNX classifier: validates the file and detects its input layout, size and batch size."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import read_model
from edgekit.errors import ArtifactError, SpecError, check_types, quote, unknown
from edgekit.graph.passes.clean import clean
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess
from edgekit.runtime.run_limits import time_limit_s
from edgekit.runtime.session import MAX_FIXED_BATCH, first_line, open_session, run_batches

Layout: TypeAlias = Literal["nchw", "nhwc"]

_CHANNEL_COUNTS = (1, 3)
# The axes of the channels, the height and the width in each layout.
_AXES: dict[str, tuple[int, int, int]] = {"nchw": (1, 2, 3), "nhwc": (3, 1, 2)}
# Models with an opset below 13, in which weights cannot be quantized per channel, are converted to 17.
_MIN_OPSET, _CONVERTED_OPSET = 13, 17

Outputs: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyModel:
    """A float32 classifier from another source, with one input and one output.

    Attributes:
        name: path of the file, for messages.
        data: bytes of the file.
        model: the model, cleaned.
        input: name of its input.
        output: name of its output.
        layout: order of the input's axes, "nchw" or "nhwc".
        size: height and width of the input in pixels; None if dynamic.
        channels: number of input channels; None if dynamic.
        batch: batch size; None if dynamic.
    """

    name: str
    data: bytes
    model: ModelProto
    input: str
    output: str
    layout: Layout
    size: Size | None
    channels: int | None
    batch: int | None

    @property
    def channel_axis(self) -> int:
        """The axis of the channels in the input."""
        return _AXES[self.layout][0]

    def outputs(self, pixels: Pixels, preprocess: Preprocess, *, bgr: bool) -> Outputs:
        """Run the original file on images that are normalized with numpy.

        Args:
            pixels: uint8 (N, height, width, channels), RGB or gray.
            preprocess: mean and std of the normalization.
            bgr: reverse the order of the channels.

        Returns:
            float32 (N, classes), the outputs.

        Raises:
            ArtifactError: the model cannot be run, or its outputs are not finite float32 (1, classes) per image.
        """
        scale, shift = normalization(preprocess)
        values = pixels.astype(np.float32) * scale + shift
        values = values[..., ::-1] if bgr else values
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self.layout == "nchw" else values)
        if self.size is None or self.channels is None:
            check_model(self.data, name=self.name, input_shape=(1, *values.shape[1:]))
        session, limit_s = open_session(self.data, name=self.name), time_limit_s(len(self.data))
        try:
            rows = [run_batches(session, image[None], output=self.output, limit_s=limit_s) for image in values]
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise ArtifactError(f"{self.name}: onnxruntime cannot run it: {first_line(error)}") from None
        shape, dtype = rows[0].shape, rows[0].dtype
        if shape[:1] != (1,) or len(shape) < 2 or rows[0].size != max(shape) or dtype != np.float32:
            raise ArtifactError(
                f"{self.name}: output {quote(self.output)} must be float32 (1, classes) for one image "
                f"(got {dtype} {shape})"
            )
        outputs = np.concatenate([row.reshape(1, -1) for row in rows]).astype(np.float32)
        if not np.isfinite(outputs).all():
            raise ArtifactError(f"{self.name}: outputs are not finite; check the model, and its `mean` and `std`")
        return outputs


def normalization(preprocess: Preprocess) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The normalization as one multiplication and one addition per channel.

    Args:
        preprocess: mean and std, on a 0-1 scale.

    Returns:
        scale and shift, float32 (channels,): the input of the network is a uint8 value times scale plus shift.
    """
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def read_third_party(path: str | os.PathLike[str], *, layout: Layout | None = None) -> ThirdPartyModel:
    """Validate a third-party ONNX classifier and detect its interface, without running it.

    Args:
        path: .onnx file with one float32 input of 4 axes and one output.
        layout: order of the input's axes, "nchw" or "nhwc" (default: detected from the shape of the input).

    Returns:
        The classifier.

    Raises:
        ArtifactError: the file is refused, is already an edgekit model, or is not such a classifier.
        SpecError: `layout` does not fit the input, or is needed because the shape of the input allows both.

    Example:
        >>> from edgekit.export import read_third_party
        >>> model = read_third_party("plain.onnx")
        >>> model.layout, model.channels
        ('nchw', 3)
    """
    check_types(str | os.PathLike, path=path)
    name, data = os.fspath(path), read_model(path)
    graph = check_model(data, name=name, input_shape=None)
    model = _parse(data, name)
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    if any(entry.key == "edgekit" for entry in model.metadata_props):
        raise ArtifactError(f"{name}: already an edgekit model; use it as it is")
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ArtifactError(
            f"{name}: a classifier must have one input and one output (got {_describe_all(inputs, 'input')} "
            f"and {_describe_all(model.graph.output, 'output')})"
        )
    shape = _shape(inputs[0])
    if inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT or len(shape) != 4:
        raise ArtifactError(f"{name}: the input must be float32 with 4 axes (got {_describe(inputs[0])})")
    if (shape[0] or 1) > MAX_FIXED_BATCH:
        raise ArtifactError(f"{name}: the batch size must be at most {MAX_FIXED_BATCH} (got {shape[0]})")
    layout = _determine_layout(shape, layout, name)
    graph.check_costs()  # of a file whose interface is right; the messages above help more than those of a node
    channels, height, width = (shape[axis] for axis in _AXES[layout])
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return ThirdPartyModel(
        name=name,
        data=data,
        model=clean(_with_recent_opset(model)),
        input=inputs[0].name,
        output=model.graph.output[0].name,
        layout=layout,
        size=Size(height, width) if height and width else None,
        channels=channels,
        batch=shape[0],
    )


def _parse(data: bytes, name: str) -> ModelProto:
    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and onnx's own classes
        raise ArtifactError(f"{name}: not a valid ONNX file: {first_line(error)}") from None
    return model


def _with_recent_opset(model: ModelProto) -> ModelProto:
    """The model converted to a newer opset if its own is old and the conversion works; `adopt` measures the parity."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), _MIN_OPSET)
    model.ir_version = max(model.ir_version, 8)
    if opset >= _MIN_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, _CONVERTED_OPSET)
    except Exception:  # the converter does not support every operator; the old opset is valid too
        return model


def _determine_layout(shape: tuple[int | None, ...], requested: Layout | None, name: str) -> Layout:
    if requested is not None and requested not in get_args(Layout):
        raise SpecError(unknown("layout", requested, get_args(Layout)))
    channels = {layout: shape[_AXES[layout][0]] for layout in get_args(Layout)}
    # A fixed channel axis takes precedence over a dynamic one.
    possible = [layout for layout in channels if channels[layout] in _CHANNEL_COUNTS]
    possible = possible or [layout for layout in channels if channels[layout] is None]
    shape_text = _shape_text(shape)
    if not possible:
        raise ArtifactError(
            f"{name}: input {shape_text} must have 1 or 3 channels on axis 1 (nchw) or axis 3 (nhwc); it has neither"
        )
    if requested is not None and requested not in possible:
        raise SpecError(f"{name}: `layout` must be {possible[0]} for input {shape_text} (got {requested})")
    if requested is None and len(possible) > 1:
        raise SpecError(f"{name}: input {shape_text} may be nchw or nhwc; set `layout`")
    layout: Layout = requested or possible[0]
    return layout


def _shape(value: ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('?' if extent is None else str(extent) for extent in shape)})"


def _describe(value: ValueInfoProto) -> str:
    dtype = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{dtype} {_shape_text(_shape(value))}"


def _describe_all(values: Iterable[ValueInfoProto], kind: str) -> str:
    described = [f"{quote(value.name)} {_describe(value)}" for value in values]
    return f"{len(described)} {kind}{'' if len(described) == 1 else 's'}: {', '.join(described[:4])}"

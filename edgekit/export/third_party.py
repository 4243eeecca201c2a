"""A third-party ONNX classifier: its inputs and outputs, determined before anything is changed."""

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
from edgekit.errors import ArtifactError, SpecError, unknown
from edgekit.graph.passes.clean import clean
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess
from edgekit.runtime.session import MAX_FIXED_BATCH, first_line, open_session, run_batches

Layout: TypeAlias = Literal["nchw", "nhwc"]

_CHANNEL_COUNTS = (1, 3)
# The axes of the channels, the height and the width in each layout.
_AXES: dict[str, tuple[int, int, int]] = {"nchw": (1, 2, 3), "nhwc": (3, 1, 2)}
_LEAST_OPSET, _RAISED_OPSET = 13, 17  # below 13 weights cannot be quantized by channel

Outputs: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyModel:
    """A float32 classifier that edgekit did not make.

    data: the file's bytes. model: its graph, cleaned. input, output: the names of its one input and output. size,
    channels and batch: of the input, None if the file leaves them open.
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
        """The axis of the channels in its input."""
        return _AXES[self.layout][0]

    def outputs(self, pixels: Pixels, preprocess: Preprocess, *, bgr: bool) -> Outputs:
        """(N, values) by the original file, for uint8 (N, height, width, channels) normalized by numpy."""
        scale, shift = normalization(preprocess)
        values = pixels.astype(np.float32) * scale + shift
        values = values[..., ::-1] if bgr else values
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self.layout == "nchw" else values)
        session = open_session(self.data, name=self.name)
        try:
            rows = [run_batches(session, image[None], output=self.output) for image in values]
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise ArtifactError(f"{self.name}: onnxruntime cannot run it: {first_line(error)}") from None
        shape, dtype = rows[0].shape, rows[0].dtype
        if shape[:1] != (1,) or len(shape) < 2 or rows[0].size != max(shape) or dtype != np.float32:
            raise ArtifactError(
                f"{self.name}: for one image its output {self.output!r:.60} is {dtype} of shape {shape}; "
                f"a classifier gives float32 of (1, classes)"
            )
        outputs = np.concatenate([row.reshape(1, -1) for row in rows]).astype(np.float32)
        if not np.isfinite(outputs).all():
            raise ArtifactError(f"{self.name}: its output is not finite; the model, or the normalization, is wrong")
        return outputs


def normalization(preprocess: Preprocess) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(scale, shift) of each channel, float32: a uint8 value times scale plus shift is the network's input."""
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def read_third_party(path: str | os.PathLike[str], *, layout: Layout | None = None) -> ThirdPartyModel:
    """Validate a third-party file and read its interface, running nothing of it.

    layout: needed only if the input's shape allows both. Raises ArtifactError, with what was found, for a file that is
    refused, or that is not a classifier of one float32 batch of images.
    """
    name, data = os.fspath(path), read_model(path)
    check_model(data, name=name)
    model = _parse(data, name)
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    if any(entry.key == "edgekit" for entry in model.metadata_props):
        raise ArtifactError(f"{name}: is an artifact of edgekit already; there is nothing to adopt")
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ArtifactError(
            f"{name}: has {_describe_all(inputs, 'input')} and {_describe_all(model.graph.output, 'output')}; "
            f"a classifier has one of each"
        )
    shape = _shape(inputs[0])
    if inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT or len(shape) != 4:
        raise ArtifactError(f"{name}: its input is {_describe(inputs[0])}; adopt takes float32 of four axes")
    if (shape[0] or 1) > MAX_FIXED_BATCH:
        raise ArtifactError(f"{name}: takes {shape[0]} images at a time; at most {MAX_FIXED_BATCH} are allowed")
    layout = _determine_layout(shape, layout, name)
    channels, height, width = (shape[axis] for axis in _AXES[layout])
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return ThirdPartyModel(
        name=name,
        data=data,
        model=clean(_raise_opset(model)),
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


def _raise_opset(model: ModelProto) -> ModelProto:
    """The model by a newer operator set, if its own is old and can be raised; parity is measured afterwards."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), _LEAST_OPSET)
    model.ir_version = max(model.ir_version, 8)
    if opset >= _LEAST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, _RAISED_OPSET)
    except Exception:  # it cannot convert some operators; the file is right as it is
        return model


def _determine_layout(shape: tuple[int | None, ...], requested: Layout | None, name: str) -> Layout:
    if requested is not None and requested not in get_args(Layout):
        raise SpecError(unknown("layout", requested, get_args(Layout)))
    channels = {layout: shape[_AXES[layout][0]] for layout in get_args(Layout)}
    # A known axis counts for more than an open one.
    possible = [layout for layout in channels if channels[layout] in _CHANNEL_COUNTS]
    possible = possible or [layout for layout in channels if channels[layout] is None]
    shown = f"({', '.join('?' if extent is None else str(extent) for extent in shape)})"
    if not possible:
        raise ArtifactError(f"{name}: its input is {shown}: neither axis 1 nor axis 3 has 1 or 3 channels")
    if requested is not None and requested not in possible:
        raise SpecError(f"{name}: its input is {shown}, which is {possible[0]}, not {requested}")
    if requested is None and len(possible) > 1:
        raise SpecError(f"{name}: its input is {shown}, which may be nchw or nhwc; say it by --layout")
    determined: Layout = requested or possible[0]
    return determined


def _shape(value: ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)


def _describe(value: ValueInfoProto) -> str:
    dtype = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{dtype} ({', '.join('?' if extent is None else str(extent) for extent in _shape(value))})"


def _describe_all(values: Iterable[ValueInfoProto], what: str) -> str:
    described = [f"{value.name!r:.60} {_describe(value)}" for value in values]
    return f"{len(described)} {what}{'' if len(described) == 1 else 's'} ({', '.join(described[:4])})"

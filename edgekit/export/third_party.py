"""A stranger's ONNX classifier: what it takes and gives, found out before anything is changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import read_model
from edgekit.errors import ArtifactError, SpecError, unknown
from edgekit.graph.clean import clean
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess
from edgekit.runtime.session import MAX_FIXED_BATCH, first_line, open_session, run_batches

Layout: TypeAlias = Literal["nchw", "nhwc"]

_CHANNELS = (1, 3)
# Where the channels, the height and the width stand in each layout.
_AXES: dict[str, tuple[int, int, int]] = {"nchw": (1, 2, 3), "nhwc": (3, 1, 2)}
_LEAST_OPSET, _RAISED_OPSET = 13, 17  # below 13 weights cannot be quantized by channel

Answers: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A float32 classifier by whom ever, as its file is.

    data: the file's bytes. model: its graph, cleaned. input, output: the names of its one input and output. size and
    channels: of the input, None where the file leaves them open.
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
        """Where the channels stand in its input."""
        return _AXES[self.layout][0]

    def answers(self, pixels: Pixels, preprocess: Preprocess, *, bgr: bool) -> Answers:
        """What the untouched file answers for uint8 (N, height, width, channels), normalized by numpy: (N, values)."""
        scale, shift = normalization(preprocess)
        values = pixels.astype(np.float32) * scale + shift
        values = values[..., ::-1] if bgr else values
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self.layout == "nchw" else values)
        session = open_session(self.data, name=self.name)
        try:
            found = [run_batches(session, picture[None], output=self.output) for picture in values]
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise ArtifactError(f"{self.name}: onnxruntime cannot run it: {first_line(error)}") from None
        return self._checked(found)

    def _checked(self, found: list[npt.NDArray[np.generic]]) -> Answers:
        shape, kind = found[0].shape, found[0].dtype
        if shape[:1] != (1,) or len(shape) < 2 or found[0].size != max(shape) or kind != np.float32:
            raise ArtifactError(
                f"{self.name}: for one picture its output {self.output!r:.60} is {kind} of shape {shape}; a classifier "
                f"gives float32 of (1, classes)"
            )
        answers = np.concatenate([answer.reshape(1, -1) for answer in found]).astype(np.float32)
        if not np.isfinite(answers).all():
            raise ArtifactError(f"{self.name}: its output is not finite; the model, or the normalization, is wrong")
        return answers


def normalization(preprocess: Preprocess) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The factor and the summand of each channel that make a uint8 value the network's, in float32."""
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def read_plain(path: str | os.PathLike[str], *, layout: Layout | None = None) -> Plain:
    """Look through a stranger's file and read its interface, running nothing of it.

    layout: which of its input's axes are the channels; needed only where the shape does not say. Raises ArtifactError,
    with what was found, for a file that is refused, or that is no classifier of one float32 picture batch.
    """
    name, data = os.fspath(path), read_model(path)
    check_model(data, name=name)
    model = _parsed(data, name)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if any(entry.key == "edgekit" for entry in model.metadata_props):
        raise ArtifactError(f"{name}: is an artifact of edgekit already; there is nothing to adopt")
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ArtifactError(
            f"{name}: has {_described_all(inputs, 'input')} and {_described_all(model.graph.output, 'output')}; "
            f"a classifier has one of each"
        )
    shape = _shape(inputs[0])
    if inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT or len(shape) != 4:
        raise ArtifactError(f"{name}: its input is {_described(inputs[0])}; adopt takes float32 of four axes")
    if (shape[0] or 1) > MAX_FIXED_BATCH:
        raise ArtifactError(f"{name}: takes {shape[0]} pictures at a time; at most {MAX_FIXED_BATCH} are allowed")
    found = _layout(shape, layout, name)
    channels, height, width = (shape[axis] for axis in _AXES[found])
    kept = [value for value in model.graph.input if value.name not in held]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return Plain(
        name=name,
        data=data,
        model=clean(_modern(model)),
        input=inputs[0].name,
        output=model.graph.output[0].name,
        layout=found,
        size=Size(height, width) if height and width else None,
        channels=channels,
        batch=shape[0],
    )


def _parsed(data: bytes, name: str) -> ModelProto:
    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and onnx's own classes
        raise ArtifactError(f"{name}: not a valid ONNX file: {first_line(error)}") from None
    return model


def _modern(model: ModelProto) -> ModelProto:
    """The model by a newer operator set, where its own is old and can be raised; parity is measured afterwards."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), _LEAST_OPSET)
    model.ir_version = max(model.ir_version, 8)
    if opset >= _LEAST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, _RAISED_OPSET)
    except Exception:  # it knows no way for some operators; the file is right as it is
        return model


def _layout(shape: tuple[int | None, ...], wanted: Layout | None, name: str) -> Layout:
    if wanted is not None and wanted not in get_args(Layout):
        raise SpecError(unknown("layout", wanted, get_args(Layout)))
    channels = {layout: shape[_AXES[layout][0]] for layout in get_args(Layout)}
    possible = [layout for layout in channels if channels[layout] in _CHANNELS]  # what is said is before what is open
    possible = possible or [layout for layout in channels if channels[layout] is None]
    said = f"({', '.join('?' if extent is None else str(extent) for extent in shape)})"
    if not possible:
        raise ArtifactError(f"{name}: its input is {said}: neither axis 1 nor axis 3 has 1 or 3 channels")
    if wanted is not None and wanted not in possible:
        raise SpecError(f"{name}: its input is {said}, which is {possible[0]}, not {wanted}")
    if wanted is None and len(possible) > 1:
        raise SpecError(f"{name}: its input is {said}, which may be nchw or nhwc; say it by --layout")
    chosen: Layout = wanted or possible[0]
    return chosen


def _shape(value: ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)


def _described(value: ValueInfoProto) -> str:
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{kind} ({', '.join('?' if extent is None else str(extent) for extent in _shape(value))})"


def _described_all(values: object, what: str) -> str:
    described = [f"{value.name!r:.60} {_described(value)}" for value in values]  # type: ignore[attr-defined]
    return f"{len(described)} {what}{'' if len(described) == 1 else 's'} ({', '.join(described[:4])})"

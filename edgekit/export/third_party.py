"""Reads a third-party ONNX classifier: validates the file, and detects its input and the outputs that may be scores."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, ValueInfoProto

from edgekit.artifact.guard.costs import DYNAMIC_EXTENT, UnpredictableError
from edgekit.artifact.guard.external_data import joined
from edgekit.artifact.guard.operator_call import Shape
from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import read_model
from edgekit.errors import ArtifactError, SpecError, check_types, quote
from edgekit.export.folded_sizes import unhelpful_simplification, with_folded_sizes
from edgekit.export.input_layout import AXES, InputLayout, InputType, Layout, describe_all, read_input
from edgekit.export.score_output import output_candidates
from edgekit.files import sha256
from edgekit.graph.index import Graph
from edgekit.graph.large_weights import completed, parse, with_inputs_as_weights, with_weights_as_inputs
from edgekit.graph.passes.clean import clean
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess
from edgekit.runtime.run_limits import time_limit_s
from edgekit.runtime.session import first_line, open_session, run_batches

Array = npt.NDArray[Any]

# Models with an opset below 13, in which weights cannot be quantized per channel, are converted to 17.
_MIN_OPSET, _CONVERTED_OPSET = 13, 17


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyModel:
    """A classifier from another source, with one input.

    Attributes:
        name: path of the file, for messages.
        sha256: hash of the file, with its external data if it has any.
        rewritten: content of an ONNX file with the same computation, if the file itself cannot be run; else None.
        model: the model, cleaned, without the large weights that `edgekit.graph.large_weights` leaves out.
        input: name of its input.
        dtype: data type of the input: "float32", "float16", or "uint8" if the model normalizes the pixels itself.
        layout: order of the input's axes, "nchw" or "nhwc".
        size: height and width of the input in pixels; None if dynamic.
        channels: number of input channels; None if unknown.
        batch: batch size; None if dynamic.
        candidates: names of the outputs that may be the scores; `adopt` chooses by the number of labels.
        notes: what was detected, one line each.
    """

    name: str
    sha256: str
    rewritten: bytes | None
    model: ModelProto
    input: str
    dtype: InputType
    layout: Layout
    size: Size | None
    channels: int | None
    batch: int | None
    candidates: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def channel_axis(self) -> int:
        """The axis of the channels in the input."""
        return AXES[self.layout][0]

    def read(self) -> bytes:
        """The content of an ONNX file with the computation of the model and all weights.

        The file is read again, because keeping it would add its size to the memory that every step needs.

        Raises:
            ArtifactError: the file has changed since it was validated.
        """
        if self.rewritten is not None:
            return self.rewritten
        data, _ = joined(read_model(self.name), self.name)
        if sha256(data) != self.sha256:
            raise ArtifactError(f"{self.name}: changed since it was validated; adopt it again")
        return data

    def run(
        self, pixels: Pixels, preprocess: Preprocess, *, bgr: bool, outputs: Sequence[str]
    ) -> dict[str, list[Array]]:
        """Run the original file on images, one at a time, that are normalized with numpy.

        Args:
            pixels: uint8 (N, height, width, channels), RGB or gray.
            preprocess: mean and std of the normalization.
            bgr: reverse the order of the channels.
            outputs: names of the wanted outputs.

        Returns:
            For each output, what it is for each image.

        Raises:
            ArtifactError: the model cannot be run.
        """
        values = self._input(pixels, preprocess, bgr)
        with tempfile.TemporaryDirectory() as folder:  # from bytes, onnxruntime needs their size once more
            path = Path(folder, "model.onnx")
            path.write_bytes(self.read())
            if self.size is None or self.channels is None:
                check_model(path.read_bytes(), name=self.name, input_shape=(1, *values.shape[1:]))
            limit_s = time_limit_s(path.stat().st_size)
            session = open_session(path, name=self.name)
        try:
            return {
                name: [run_batches(session, image[None], output=name, limit_s=limit_s) for image in values]
                for name in outputs
            }
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise ArtifactError(f"{self.name}: onnxruntime cannot run it: {first_line(error)}") from None

    def _input(self, pixels: Pixels, preprocess: Preprocess, bgr: bool) -> Array:
        values: Array = pixels
        if self.dtype != "uint8":
            scale, shift = normalization(preprocess)
            values = pixels.astype(np.float32) * scale + shift
        values = values[..., ::-1] if bgr else values
        values = values.transpose(0, 3, 1, 2) if self.layout == "nchw" else values
        return np.ascontiguousarray(values, self.dtype)


def normalization(preprocess: Preprocess) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The normalization as one multiplication and one addition per channel.

    Args:
        preprocess: mean and std, on a 0-1 scale.

    Returns:
        scale and shift, float32 (channels,): the input of the network is a uint8 value times scale plus shift.
    """
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def read_third_party(
    path: str | os.PathLike[str], *, layout: Layout | None = None, output: str | None = None
) -> ThirdPartyModel:
    """Validate a third-party ONNX classifier and detect its interface, without running it.

    Args:
        path: .onnx file with one input of 4 axes: float32, float16, or uint8 if the model normalizes pixels itself.
            Weights may be in files beside it, such as FILE.data.
        layout: order of the input's axes, "nchw" or "nhwc" (default: detected from the shape of the input, or from the
            first convolution).
        output: name of the output that is the scores (default: detected).

    Returns:
        The classifier.

    Raises:
        ArtifactError: the file is refused, is already an edgekit model, or is not such a classifier.
        SpecError: `layout` or `output` does not fit, or `layout` is needed.

    Example:
        >>> from edgekit.export import read_third_party
        >>> model = read_third_party("plain.onnx")
        >>> model.layout, model.channels
        ('nchw', 3)
    """
    check_types(str | os.PathLike, path=path)
    name = os.fspath(path)
    file, data_files = joined(read_model(path), path)
    notes = [f"weights read from {', '.join(data_files)}" for _ in data_files[:1]]
    try:
        model = _read(file, name, layout=layout, output=output)
    except UnpredictableError as refusal:
        folded = with_folded_sizes(file, name=name, refusal=refusal)
        try:
            model = _read(folded, name, layout=layout, output=output)
        except UnpredictableError:
            raise unhelpful_simplification(refusal) from None
        notes.append("simplified first by onnxsim, because it computed sizes; compared with the simplified model")
        model = replace(model, rewritten=model.rewritten or folded)
    return replace(model, sha256=sha256(file), notes=(*notes, *model.notes))


def _read(data: bytes, name: str, *, layout: Layout | None, output: str | None) -> ThirdPartyModel:
    """Read a model as `read_third_party` does. Raises UnpredictableError if simplifying it may help."""
    graph = check_model(data, name=name, input_shape=None)
    model = _parse(data, name)
    try:
        inputs, unused = _inputs(model)
        expected = read_input(inputs[0], Graph(model), layout)
        candidates = output_candidates(model, output)
    except (ArtifactError, SpecError) as error:
        raise type(error)(f"{name}: {error}") from None
    graph.check_costs(_fed_shape(expected))  # of a file whose interface is right: the messages above help more
    notes = []
    if unused:
        notes.append(f"inputs removed, because nothing uses them: {', '.join(map(quote, unused))}")
    is_open = _open_dimensions([*inputs, *model.graph.output])
    if is_open:
        notes.append("dimensions below 1 are open, so that the model accepts any size")
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return ThirdPartyModel(
        name=name,
        sha256=sha256(data),
        rewritten=b"".join(completed(model, data)) if unused or is_open else None,
        model=clean(_with_recent_opset(model)),
        input=inputs[0].name,
        dtype=expected.dtype,
        layout=expected.layout,
        size=expected.size,
        channels=expected.channels,
        batch=expected.batch,
        candidates=candidates,
        notes=(*notes, *expected.notes),
    )


def _fed_shape(expected: InputLayout) -> Shape:
    """The shape of one image for the model; with the guard's default extent where the model leaves it open."""
    extents = dict.fromkeys(range(4), DYNAMIC_EXTENT) | {0: 1, AXES[expected.layout][0]: expected.channels or 3}
    return tuple(extents[axis] for axis in range(4))


def _parse(data: bytes, name: str) -> ModelProto:
    try:
        onnx.checker.check_model(data)
        model = parse(data)
    except Exception as error:  # protobuf's and onnx's own classes
        raise ArtifactError(f"{name}: not a valid ONNX file: {first_line(error)}") from None
    if any(entry.key == "edgekit" for entry in model.metadata_props):
        raise ArtifactError(f"{name}: already an edgekit model; use it as it is")
    return model


def _inputs(model: ModelProto) -> tuple[list[ValueInfoProto], list[str]]:
    """The single input that is no weight, as a list, and the names of those that nothing uses: tf2onnx leaves some."""
    weights = {tensor.name for tensor in model.graph.initializer}
    used = {name for node in model.graph.node for name in node.input}
    fed = [value for value in model.graph.input if value.name not in weights]
    inputs = [value for value in fed if value.name in used]
    if len(inputs) != 1:
        raise ArtifactError(f"a classifier must have one input (got {describe_all(fed, 'input')})")
    return inputs, [value.name for value in fed if value.name not in used]


def _open_dimensions(values: Sequence[ValueInfoProto]) -> bool:
    """Open the dimensions below 1, which onnxruntime would compare with those of an image; whether there were any."""
    dimensions = [dim for value in values for dim in value.type.tensor_type.shape.dim]
    below_one = [dim for dim in dimensions if dim.HasField("dim_value") and dim.dim_value < 1]
    for dim in below_one:
        dim.Clear()
    return bool(below_one)


def _with_recent_opset(model: ModelProto) -> ModelProto:
    """The model converted to a newer opset if its own is old and the conversion works; `adopt` measures the parity."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), _MIN_OPSET)
    model.ir_version = max(model.ir_version, 8)
    if opset >= _MIN_OPSET:
        return model
    try:
        converted = onnx.version_converter.convert_version(with_weights_as_inputs(model), _CONVERTED_OPSET)
    except Exception:  # the converter does not support every operator; the old opset is valid too
        return model
    return with_inputs_as_weights(converted, model)

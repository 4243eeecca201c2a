"""The input of a third-party classifier: its data type, the order of its axes and its size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from onnx import TensorProto, ValueInfoProto

from edgekit.errors import ArtifactError, SpecError, quote, unknown
from edgekit.graph.index import Graph, attribute
from edgekit.image.size import Size
from edgekit.runtime.session import MAX_FIXED_BATCH

Layout: TypeAlias = Literal["nchw", "nhwc"]
InputType: TypeAlias = Literal["float32", "float16", "uint8"]
Shape: TypeAlias = tuple[int | None, ...]

# The axes of the channels, the height and the width in each layout.
AXES: dict[Layout, tuple[int, int, int]] = {"nchw": (1, 2, 3), "nhwc": (3, 1, 2)}
_TYPES: dict[int, InputType] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
}
_CHANNEL_COUNTS = (1, 3)
# Operators between the input and the first convolution that keep the order of the axes.
_ELEMENTWISE = frozenset(
    {"Add", "Cast", "Clip", "Div", "Identity", "Mul", "Pad", "QuantizeLinear", "DequantizeLinear", "Sub"}
)
_TO_NCHW = [0, 3, 1, 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLayout:
    """What a classifier expects.

    Attributes:
        dtype: data type of the input; "uint8" for a model that normalizes pixels itself.
        layout: order of the axes.
        size: height and width in pixels; None if dynamic.
        channels: number of channels; None if unknown.
        batch: batch size; None if dynamic.
        notes: what was inferred, one line each.
    """

    dtype: InputType
    layout: Layout
    size: Size | None
    channels: int | None
    batch: int | None
    notes: tuple[str, ...]


def read_input(value: ValueInfoProto, graph: Graph, requested: Layout | None) -> InputLayout:
    """Determine what a classifier expects from its declared input, and if that is open from its first convolution.

    Args:
        value: the input.
        graph: the classifier.
        requested: order of the axes that the user set; None to determine it.

    Raises:
        ArtifactError: it is not an input for images.
        SpecError: `layout` does not fit, or is needed.
    """
    dtype, extents = _TYPES.get(value.type.tensor_type.elem_type), shape(value)
    if dtype is None or len(extents) != 4:
        raise ArtifactError(f"the input must be float32, float16 or uint8 with 4 axes (got {describe(value)})")
    if (extents[0] or 1) > MAX_FIXED_BATCH:
        raise ArtifactError(f"the fixed batch size must be at most {MAX_FIXED_BATCH} (got {extents[0]})")
    inferred = _layout_of_convolution(graph, value.name)
    layout, notes = _layout(extents, requested, inferred)
    channels, height, width = (extents[axis] for axis in AXES[layout])
    if channels is None and inferred is not None and inferred[0] == layout:
        channels = inferred[1]
    return InputLayout(
        dtype=dtype,
        layout=layout,
        size=Size(height, width) if height and width else None,
        channels=channels,
        batch=extents[0],
        notes=notes,
    )


def _layout(
    extents: Shape, requested: Layout | None, inferred: tuple[Layout, int] | None
) -> tuple[Layout, tuple[str, ...]]:
    if requested is not None and requested not in get_args(Layout):
        raise SpecError(unknown("layout", requested, get_args(Layout)))
    channels = {layout: extents[axes[0]] for layout, axes in AXES.items()}
    # A fixed channel axis takes precedence over a dynamic one.
    possible = [layout for layout in channels if channels[layout] in _CHANNEL_COUNTS]
    possible = possible or [layout for layout in channels if channels[layout] is None]
    text = shape_text(extents)
    if not possible:
        raise ArtifactError(f"input {text} must have 1 or 3 channels on axis 1 (nchw) or axis 3 (nhwc); it has neither")
    notes: tuple[str, ...] = ()
    if len(possible) > 1 and inferred is not None and inferred[0] in possible and inferred[1] in _CHANNEL_COUNTS:
        layout, count = inferred
        possible = [layout]
        notes = (
            f"layout {layout} with {count} channels, inferred from the first convolution, as input {text} is open",
        )
    if requested is not None and requested not in possible:
        raise SpecError(f"`layout` must be {possible[0]} for input {text} (got {requested})")
    if requested is None and len(possible) > 1:
        raise SpecError(f"input {text} may be nchw or nhwc; set `layout`")
    return requested or possible[0], notes


def _layout_of_convolution(graph: Graph, name: str) -> tuple[Layout, int] | None:
    """The layout and the channels that the first convolution implies; None if other operators come before it."""
    layout: Layout = "nchw"
    for node in graph.nodes:
        if name not in node.input:
            continue
        if node.op_type == "Conv":
            weight = graph.initializers.get(node.input[1])
            dims = [] if weight is None else weight.dims
            return (layout, dims[1] * attribute(node, "group", 1)) if len(dims) == 4 else None
        if node.op_type == "Transpose" and layout == "nchw" and attribute(node, "perm", None) == _TO_NCHW:
            layout, name = "nhwc", node.output[0]
        elif node.op_type in _ELEMENTWISE:
            name = node.output[0]
        else:
            return None
    return None


def shape(value: ValueInfoProto) -> Shape:
    """The declared shape. A dimension below 1 is open, which some exporters write as -1, and None."""
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim)


def shape_text(extents: Shape) -> str:
    """The shape for a message, with ? for an open dimension."""
    return f"({', '.join('?' if extent is None else str(extent) for extent in extents)})"


def describe(value: ValueInfoProto) -> str:
    """The data type and shape of a tensor for a message."""
    dtype = value.type.tensor_type.elem_type
    name = TensorProto.DataType.Name(dtype).lower() if dtype in TensorProto.DataType.values() else f"type {dtype}"
    return f"{name} {shape_text(shape(value))}"


def describe_all(values: Iterable[ValueInfoProto], kind: str) -> str:
    """The names and shapes of some tensors for a message, e.g. "2 inputs: 'x' float (1, 3)"."""
    described = [f"{quote(value.name)} {describe(value)}" for value in values]
    return f"{len(described)} {kind}{'' if len(described) == 1 else 's'}: {', '.join(described[:4])}"

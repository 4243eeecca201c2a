"""The work of an operator: the amounts that its time is a weighted sum of.

Each amount is what one loop of onnxruntime's kernels does: multiply-accumulates of whole blocks of channels, rows,
pixels, values read and written, weights. What one unit of it takes on a device is fitted (`cost_model`); no weight is
negative, so the time of an operator never falls as any amount grows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from edgekit.bench.micro_graphs.steps import Step

_BLOCK = 16  # channels that the kernels of x86 with AVX-512 process at once; those of others process a divisor of it
_SET = 4  # blocks of output channels that share a load of the input
_CURVES = frozenset({"sigmoid", "hard_sigmoid", "hard_swish", "silu"})
# Beyond these sizes in bytes, tensors and weights come from caches that are farther away, or from memory.
_CACHES = (2**18, 2**20, 2**22, 2**24)

BEYOND = " beyond "  # in the names of these amounts

Amounts = dict[str, float]


def network_work(operators: Sequence[Step], *, precision: str) -> Amounts:
    """Sum the work of a network's operators.

    Args:
        operators: as `fused` returns them.
        precision: "float32" or "int8".

    Returns:
        Amounts by name.
    """
    total: Counter[str] = Counter({"run": 1})
    for operator in operators:
        total.update(operator_work(operator, precision=precision))
    width = 4 if precision == "float32" else 1
    weights = width * sum(operator.parameters for operator in operators)
    total.update({f"weights{BEYOND}{size >> 10} kB": max(weights - size, 0) for size in _CACHES})
    return dict(total)


def operator_work(operator: Step, *, precision: str) -> Amounts:
    """The work of one operator.

    Args:
        operator: as `fused` returns it.
        precision: "float32" or "int8".

    Returns:
        Amounts by name.
    """
    kernel = _float_work if precision == "float32" else _integer_work
    return dict(kernel(operator))


def _float_work(step: Step) -> Iterator[tuple[str, float]]:
    grid, read = _positions(step.output), _positions(step.input)
    blocks = -(-step.channels // _BLOCK)
    written = grid * blocks * _BLOCK
    if step.kind == "conv":
        yield "conv calls", 1
        if step.is_depthwise:
            name = f"depthwise {step.kernel[0]}x{step.kernel[1]}"
            yield f"{name} stride {step.stride[0]} rows", step.output[0] * blocks
            yield f"{name} stride {step.stride[0]}", written
        elif grid == read == 1:
            yield "vector weights", step.in_channels * step.channels
            yield "vector calls", 1
        else:
            yield from _blocked_products(step)
        if step.adds:
            yield "sums in convolutions", written
        if step.activation in _CURVES:
            yield f"{step.activation} in convolutions", written
        kind = "depthwise" if step.is_depthwise else "convolutions"
        yield from _distant(f"{kind} reads", 4 * read * step.in_channels)
        yield from _distant(f"{kind} writes", 4 * written * (1 + step.adds))
    else:
        yield from _plain_work(step, 4)


def _blocked_products(step: Step) -> Iterator[tuple[str, float]]:
    """A convolution in blocks of channels (NCHWc): for each position and input channel, sets of blocks of outputs."""
    grid, window = _positions(step.output), _positions(step.kernel)
    blocks = -(-step.channels // _BLOCK)
    sets = -(-blocks // _SET)
    if step.in_channels < _BLOCK:  # read without blocks
        name = "planar" if step.kernel == (1, 1) else "stem"
        products = grid * step.in_channels * window
        yield f"{name} products", products * blocks
        yield f"{name} loads", products * sets
        yield f"{name} outputs", grid * blocks * _BLOCK
        if name == "planar":  # after a layer, whose output was in blocks
            yield "planar calls", 1
            yield "planar reorders", _positions(step.input) * _BLOCK
        return
    in_channels = -(-step.in_channels // _BLOCK) * _BLOCK
    products = grid * in_channels * window
    yield "products", products * blocks
    yield "product loads", products * sets
    yield "product rows", step.output[0] * step.kernel[0] * sets * -(-in_channels // 128)
    yield "product sums", grid * blocks * _BLOCK * -(-in_channels // 128)
    if step.kernel == (1, 1) and step.stride != (1, 1):
        yield "strided products", products * blocks
    yield "product reads", _positions(step.input) * in_channels
    yield "product weights", in_channels * blocks * _BLOCK * window


def _integer_work(step: Step) -> Iterator[tuple[str, float]]:
    grid, read = _positions(step.output), _positions(step.input)
    window = _positions(step.kernel)
    if step.kind == "conv" and step.is_depthwise:
        # Channels that are no multiple of a block take another, slower kernel, for all of them.
        name = "depthwise" if step.channels % _BLOCK == 0 else "unaligned depthwise"
        yield "depthwise calls", 1
        yield f"{name} positions of {window}", grid * window
        yield f"{name} products of {window}", grid * window * step.channels
        yield f"{name} outputs", grid * step.channels
        yield from _distant("depthwise", (read + grid) * step.channels)
    elif step.kind == "conv" and grid == read == 1:
        yield "vector calls", 1
        yield "vector weights", step.in_channels * step.channels
    elif step.kind == "conv":
        depth = -(-step.in_channels * window // 4) * 4
        columns = -(-step.channels // _BLOCK) * _BLOCK
        is_plain = window == 1 and step.stride == (1, 1)
        yield "conv calls", 1
        yield "products", grid * depth * columns
        yield "product columns", grid * columns
        yield "product rests", grid * (columns - step.channels)
        yield "product rows", grid
        yield "product weights", depth * columns
        yield "product depth", grid * depth
        if not is_plain:  # windows are copied first
            yield "window calls", 1
            yield "window copies" if step.in_channels >= 4 else "narrow window copies", grid * window
            yield "window values", grid * depth
        yield from _distant("convolutions", read * step.in_channels + grid * step.channels)
    else:
        yield from _plain_work(step, 1)


def _plain_work(step: Step, width: int) -> Iterator[tuple[str, float]]:
    """The work of operators other than convolutions. width: bytes of a value."""
    read, written = (
        _positions(size) * channels for size, channels in ((step.input, step.in_channels), (step.output, step.channels))
    )
    if step.kind == "linear":
        yield "linear calls", 1
        yield "linear weights", step.in_channels * step.channels
        yield "linear inputs", step.in_channels
        yield "linear outputs", step.channels
    elif step.kind == "activation":
        name = step.activation if step.activation in _CURVES else "bound"
        yield f"{name} calls", 1
        yield f"{name} values", written
        yield from _distant(name, 2 * width * written)
    elif step.kind in ("mean", "mul"):
        yield f"{step.kind} calls", 1
        yield f"{step.kind} values", read
        yield f"{step.kind} positions", _positions(step.input)
        yield from _distant(step.kind, 2 * width * read)
    else:
        if step.kind not in ("pixels", "input"):  # there is one in each network: a part of its run
            yield f"{step.kind} calls", 1
        yield f"{step.kind} values", written
        if step.kind == "add" and step.activation:
            yield "add bounds", written


def _distant(kind: str, size: int) -> Iterator[tuple[str, float]]:
    """Bytes of tensors that the nearest caches do not hold."""
    for limit in _CACHES[:3]:
        if size > limit:
            yield f"{kind}{BEYOND}{limit >> 10} kB", size - limit


def _positions(size: tuple[int, int]) -> int:
    return size[0] * size[1]

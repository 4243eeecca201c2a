"""The memory of a network while it runs: its weights, and the largest sum of tensors that are live at the same time."""

from __future__ import annotations

from edgekit.bench.micro_graphs.steps import Step
from edgekit.fit.operators import Network

_BLOCK = 16  # channels; onnxruntime's float32 tensors have whole blocks of them
_FLOAT_BYTES = 4
_POINTER_BYTES = 8  # integer convolutions have a pointer to each value's place in each window
_GATED = frozenset({"silu", "hard_swish"})  # in int8, the product of the value and of a gate beside it


def peak_memory_bytes(network: Network) -> int:
    """The bytes of a network's tensors at the operator where they are most.

    The process has the program, the libraries and, while the file is read, a copy of it in addition.

    Args:
        network: of `operators` or `operators_of`.
    """
    last_readers: dict[int, int] = {}
    for position, operator in enumerate(network.operators):
        for index in operator.inputs:
            last_readers[index] = position
    live: dict[int, int] = {}
    most = 0
    for position, operator in enumerate(network.operators):
        live[position] = _tensor_bytes(operator, network.precision)
        most = max(most, sum(live.values()) + _scratch_bytes(operator, network.precision))
        for index in [index for index in live if last_readers.get(index, -1) <= position]:
            del live[index]
    return most + weight_bytes(network)


def weight_bytes(network: Network) -> int:
    """The bytes of a network's weights and biases; in int8, with the scales and zero points of the channels.

    Args:
        network: of `operators` or `operators_of`.
    """
    parameters = sum(operator.parameters for operator in network.operators)
    if network.precision == "float32":
        return _FLOAT_BYTES * parameters
    # A weight has one byte; a channel has a bias, and a scale and a zero point of its weights.
    return parameters + 8 * quantized_channels(network)


def quantized_channels(network: Network) -> int:
    """The number of channels whose weights have a scale of their own.

    Args:
        network: of `operators` or `operators_of`.
    """
    return sum(operator.channels for operator in network.operators if operator.parameters)


def _tensor_bytes(operator: Step, precision: str) -> int:
    """What an operator writes."""
    rows, columns = operator.output
    if precision == "int8":
        return rows * columns * operator.channels
    if operator.kind == "pixels":
        return _FLOAT_BYTES * rows * columns * operator.channels
    return _FLOAT_BYTES * rows * columns * -(-operator.channels // _BLOCK) * _BLOCK


def _scratch_bytes(operator: Step, precision: str) -> int:
    """What an operator needs beside that while it runs."""
    positions = operator.output[0] * operator.output[1]
    written = _tensor_bytes(operator, precision)
    if operator.kind == "pixels":  # two steps of the normalization, in float32
        return 2 * _FLOAT_BYTES * positions * operator.channels - written
    if precision == "int8" and operator.kind == "pad":  # in float32; without new channels before positions are left out
        read = operator.input[0] * operator.input[1] if operator.channels == operator.in_channels else positions
        return _FLOAT_BYTES * (read * operator.in_channels + positions * operator.channels) - written
    if precision == "int8" and operator.activation in _GATED:
        return written
    if precision == "int8" and operator.kind == "conv" and (operator.kernel != (1, 1) or operator.stride != (1, 1)):
        return _POINTER_BYTES * positions * operator.kernel[0] * operator.kernel[1]
    return 0

"""The memory of a network while it runs: its weights, and the largest sum of tensors that are live at the same time."""

from __future__ import annotations

from edgekit.bench.micro_graphs.steps import Step
from edgekit.fit.operators import Network

_BLOCK = 16  # channels; onnxruntime's float32 tensors have whole blocks of them
_FLOAT_BYTES = 4


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
    channels = sum(operator.channels for operator in network.operators if operator.parameters)
    # A weight has one byte; a channel has a bias and its scale and zero point, a scale and a zero point of its weights.
    return parameters - channels + 17 * channels


def _tensor_bytes(operator: Step, precision: str) -> int:
    rows, columns = operator.output
    if operator.kind == "pixels":  # in float32 before they are quantized
        return _FLOAT_BYTES * rows * columns * operator.channels
    if precision == "int8":
        return rows * columns * operator.channels
    return _FLOAT_BYTES * rows * columns * -(-operator.channels // _BLOCK) * _BLOCK


def _scratch_bytes(operator: Step, precision: str) -> int:
    """What an operator needs while it runs: integer convolutions copy their windows."""
    is_copied = operator.kind == "conv" and not operator.is_depthwise and operator.kernel != (1, 1)
    if precision == "float32" or not is_copied:
        return 0
    return operator.output[0] * operator.output[1] * operator.in_channels * operator.kernel[0] * operator.kernel[1]

"""The size of a candidate's file before it exists: its tensors exactly, and what describes the graph."""

from __future__ import annotations

from collections import Counter

from edgekit.fit.network_memory import quantized_channels, weight_bytes
from edgekit.fit.operators import Network

# Bytes beside the tensors, fitted to the files of 60 exported networks: names of nodes, values and constants.
_FLOAT_STEP, _FLOAT_LAYER = 145, 124  # of each step; of each layer with weights in addition
_INTEGER_LAYER, _INTEGER_OTHER = 1129, 888
_INTEGER_ACTIVATIONS = {"hard_swish": 1329, "silu": 660, "sigmoid": 213, "hard_sigmoid": 182}
_INTEGER_GRAPH = 3500
_METADATA, _METADATA_INT8, _LABEL = 950, 500, 24


def file_size_bytes(network: Network) -> int:
    """The size of a candidate's model file.

    Args:
        network: of `operators`.
    """
    steps, layers = network.operators, [step for step in network.operators if step.parameters]
    described = _METADATA + _LABEL * layers[-1].channels  # the labels stand in the metadata
    if network.precision == "float32":
        # Each fused activation and sum is a node of the file.
        nodes = sum(1 + bool(step.activation and step.kind != "activation") + step.adds for step in steps)
        return weight_bytes(network) + described + _FLOAT_STEP * nodes + _FLOAT_LAYER * len(layers)
    kinds = Counter(
        step.activation if step.kind == "activation" else step.kind for step in steps if not step.parameters
    )
    others = sum(_INTEGER_ACTIVATIONS.get(kind, _INTEGER_OTHER) * count for kind, count in kinds.items())
    normalization = 2 * 4 * steps[0].channels * steps[0].output[1]  # a factor and an offset for each value of a row
    graph = _INTEGER_GRAPH + _INTEGER_LAYER * len(layers) + others + normalization
    # The file also has a scale and a zero point of each bias.
    return weight_bytes(network) + 8 * quantized_channels(network) + described + _METADATA_INT8 + graph

"""The operators that onnxruntime makes of a network: what it computes together, and what it leaves out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from edgekit.bench.micro_graphs.steps import Step

# Of a convolution's output, in the same loop. SiLU is a pass of its own (QuickGelu).
_FUSED_FLOAT = frozenset({"relu", "relu6", "sigmoid", "hard_sigmoid", "hard_swish"})
_BOUNDS = frozenset({"relu", "relu6"})  # the range of quantized values does it


def fused(steps: Sequence[Step], *, precision: str) -> tuple[Step, ...]:
    """Fuse the steps of a network as onnxruntime does, which was compared with its optimized models.

    In float32, an activation and a sum become part of the convolution before them. In int8, bounds are those of the
    quantized range, and views of other shapes cost nothing.

    Args:
        steps: in running order; `inputs` are indexes of earlier steps.
        precision: "float32" or "int8".

    Returns:
        The operators in running order, with inputs among themselves.
    """
    readers = Counter(index for step in steps for index in step.inputs)
    operators: list[Step] = []
    places: list[int] = []  # the operator that computes each step
    for step in steps:
        inputs = tuple(places[index] for index in step.inputs)
        target = _host(step, operators, inputs, [readers[index] for index in step.inputs], precision)
        if target is None:
            operators.append(dataclasses.replace(step, inputs=inputs))
            places.append(len(operators) - 1)
            continue
        host = operators[target]
        if step.kind == "activation" and not (precision == "int8" and step.activation in _BOUNDS):
            operators[target] = dataclasses.replace(host, activation=step.activation)
        elif step.kind == "add":
            other = inputs[1] if inputs[0] == target else inputs[0]
            operators[target] = dataclasses.replace(host, inputs=(*host.inputs, other), adds=True)
        places.append(target)
    return tuple(operators)


def _host(
    step: Step, operators: Sequence[Step], inputs: Sequence[int], readers: Sequence[int], precision: str
) -> int | None:
    """The operator that computes this step as well; None if it is an operator of its own."""
    if step.kind == "regroup":
        return inputs[0]
    if precision == "int8":
        return inputs[0] if step.kind == "activation" and step.activation in _BOUNDS else None
    if step.kind == "activation":
        host = operators[inputs[0]]
        is_free = host.kind in ("conv", "linear", "add") and not host.activation and readers[0] == 1
        if host.kind == "conv":
            return inputs[0] if is_free and step.activation in _FUSED_FLOAT else None
        return inputs[0] if is_free and step.activation == "relu" and host.kind == "add" else None
    if step.kind == "add":
        for place, count in sorted(zip(inputs, readers, strict=True), reverse=True):
            host = operators[place]
            last = place == max(inputs)  # the other one must be there already
            if host.kind == "conv" and not host.activation and not host.adds and count == 1 and last:
                return place
    return None

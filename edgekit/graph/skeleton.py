"""A model without what the shapes of its tensors do not depend on: its weights, documentation and metadata.

To infer shapes, the onnx package needs six times the memory of a file. The skeleton is cut out in the protobuf wire
format before, and is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, Union

from edgekit.artifact.external_tensors import Parts
from edgekit.artifact.protobuf import delimited_header, fields, integer

_LEAST_BYTES = 2**16  # of a weight; shapes and other numbers that shapes depend on are shorter tensors

# The fields of each message that are kept, by their numbers in onnx.proto, and what is kept of the messages in them.
_Kept: TypeAlias = Mapping[int, Union["_Kept", None]]
_TENSOR: _Kept = dict.fromkeys((1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14))
_WEIGHT: _Kept = dict.fromkeys((1, 2, 8))  # dims, data_type, name
_ATTRIBUTE: _Kept = {**dict.fromkeys((1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14, 15, 20, 21)), 5: _TENSOR}
_NODE: _Kept = {**dict.fromkeys((1, 2, 3, 4, 7)), 5: _ATTRIBUTE}
_GRAPH: _Kept = {1: _NODE, 2: None, 5: _TENSOR, 11: None, 12: None, 13: None}
_MODEL: _Kept = {1: None, 7: _GRAPH, 8: None}
_DATA_LOCATION, _EXTERNAL = 14, 1


def skeleton(model: bytes) -> bytes:
    """Return the skeleton of a model.

    Args:
        model: content of an ONNX file.

    Returns:
        A model with the same nodes and tensors. Large tensors declare that their data is in another file; there is
        none.

    Raises:
        ArtifactError: not an ONNX file.
    """
    return b"".join(_cut(memoryview(model), _MODEL))


def _cut(message: memoryview, kept: _Kept) -> Parts:
    """What is kept of a message, in parts that refer to it."""
    is_weight = kept is _TENSOR and len(message) > _LEAST_BYTES
    parts: Parts = [integer(_DATA_LOCATION, _EXTERNAL)] if is_weight else []
    kept = _WEIGHT if is_weight else kept
    for part in fields(message):
        inner = kept.get(part.number)
        if inner is not None:
            content = _cut(message[part.payload : part.end], inner)
            parts += [delimited_header(part.number, sum(map(len, content))), *content]
        elif part.number in kept:
            parts.append(message[part.start : part.end])
    return parts

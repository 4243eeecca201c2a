"""Limits on the size and structure of model files."""

from __future__ import annotations

import os
from typing import NamedTuple

from edgekit.errors import SpecError, must_be

NODE_OPERATIONS_VARIABLE = "EDGEKIT_MAX_NODE_OPERATIONS"
_UNLIMITED = "unlimited"
# The run of a file of this size may take twice the time of one of a few bytes (`runtime.run_limits.time_limit_s`).
_BYTES_PER_TIME_LIMIT = 3_000_000


class ModelLimits(NamedTuple):
    """The largest model files that are loaded; larger ones raise ArtifactError.

    Attributes:
        max_bytes: file size in bytes.
        max_nodes: nodes of the graph.
        max_fields: protobuf fields that validation reads, which limits its time.
        max_elements: elements of one stored tensor.
        max_generated_elements: elements that all nodes together generate from sizes written in the file.
        max_expansion: factor by which one node repeats, enlarges or pads a tensor.
        max_node_operations: scalar operations, of about a nanosecond each, that one node takes for one image, because
            a run can only be stopped between two nodes; as much again for every 3 MB of the file. By default
            EDGEKIT_MAX_NODE_OPERATIONS is used if it is set.

    Example:
        >>> from edgekit import ModelLimits
        >>> ModelLimits(max_bytes=50 * 2**20).max_bytes
        52428800
    """

    max_bytes: int = 2**30
    max_nodes: int = 20_000
    max_fields: int = 1_000_000
    max_elements: int = 2**28
    max_generated_elements: int = 2**25
    max_expansion: int = 2**10
    max_node_operations: int = 2**31


DEFAULT_MODEL_LIMITS = ModelLimits()


def node_operations_limit(limits: ModelLimits, *, model_bytes: int) -> int | None:
    """The operations that one node of a file may take.

    Args:
        limits: the limit for a file of a few bytes.
        model_bytes: size of the file; larger networks may take more time.

    Returns:
        The limit; None if EDGEKIT_MAX_NODE_OPERATIONS is "unlimited".

    Raises:
        SpecError: EDGEKIT_MAX_NODE_OPERATIONS is not valid.
    """
    limit, setting = limits.max_node_operations, os.environ.get(NODE_OPERATIONS_VARIABLE)
    if setting and limit == DEFAULT_MODEL_LIMITS.max_node_operations:
        if setting == _UNLIMITED:
            return None
        if not setting.isdecimal() or not 1 <= int(setting) < 2**63:
            raise SpecError(must_be(NODE_OPERATIONS_VARIABLE, f"an integer from 1, or {_UNLIMITED}", setting))
        limit = int(setting)
    return limit + limit * model_bytes // _BYTES_PER_TIME_LIMIT

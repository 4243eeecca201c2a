"""Limits on the size and structure of model files."""

from __future__ import annotations

from typing import NamedTuple


class ModelLimits(NamedTuple):
    """The largest model files that are loaded; larger ones raise ArtifactError.

    Attributes:
        max_bytes: file size in bytes.
        max_nodes: nodes of the graph.
        max_fields: protobuf fields that validation reads, which limits its time.
        max_elements: elements of one stored tensor.
        max_generated_elements: elements that all nodes together generate from sizes written in the file.
        max_expansion: factor by which one node repeats, enlarges or pads a tensor.

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


DEFAULT_MODEL_LIMITS = ModelLimits()

"""What a model may be before it is refused."""

from __future__ import annotations

from typing import NamedTuple


class ModelLimits(NamedTuple):
    """What a model may be before it is refused.

    max_bytes: of the file. max_nodes: of its graph. max_parts: protobuf fields that the scan reads, which bounds its
    time. max_elements: of one stored tensor. max_made: elements that nodes make from sizes written in the file, all
    together. max_factor: by which one node repeats, enlarges or pads.
    """

    max_bytes: int = 2**30
    max_nodes: int = 20_000
    max_parts: int = 1_000_000
    max_elements: int = 2**28
    max_made: int = 2**25
    max_factor: int = 2**10


DEFAULT_MODEL_LIMITS = ModelLimits()

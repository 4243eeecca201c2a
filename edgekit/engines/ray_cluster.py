"""The Ray cluster that this process is connected to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgekit.errors import DataError

_OBJECT_STORE_BYTES = 100_000_000  # of a Ray of our own, through which models and results go; Ray demands 75 MB


@contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """Connect this process to a cluster for a while, unless it is connected already.

    Args:
        ray: the package.
        address: as for `ray.init`; by default RAY_ADDRESS, or a Ray of its own on this machine.

    Raises:
        DataError: the cluster cannot be reached, or Ray cannot be started.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    own = {} if address else {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="error", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise DataError(f"{address or 'Ray'}: cannot be reached or started: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()


def node_cpus(ray: Any) -> list[float]:
    """The number of CPUs of each node that is alive.

    Args:
        ray: the package.
    """
    return [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]

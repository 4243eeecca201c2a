"""From what a user wrote after --weights to a file."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import WeightsError
from edgekit.hub.download import Progress, fetch
from edgekit.hub.imagenet_weights import published

IMAGENET = "imagenet"


def resolve(model: str, weights: str, *, on_progress: Progress | None = None) -> Path:
    """The file of weights for that network: `weights` is a path, or "imagenet" for the official ones.

    Raises WeightsError where there is no such file, or the official one does not exist or arrive.
    """
    if weights == IMAGENET:
        return published_weights(model, on_progress=on_progress)
    path = Path(weights)
    if not path.is_file():
        reason = "a folder, not a file" if path.is_dir() else "no such file"
        raise WeightsError(f"{weights}: {reason}; weights are a .safetensors or .pth file, or {IMAGENET!r}")
    return path


def published_weights(model: str, *, on_progress: Progress | None = None) -> Path:
    """The official ImageNet checkpoint of that network, from the user's cache or downloaded into it.

    on_progress: as for fetch. Raises WeightsError for a network that has none, listing those that do, and where the
    file does not arrive.
    """
    row = published(model)
    return fetch(row.url, row.sha256, max_bytes=row.max_bytes, on_progress=on_progress)

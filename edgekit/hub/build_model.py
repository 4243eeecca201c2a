"""Builds a named model: its published weights, verified, in the graph of its template, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edgekit.artifact.checkpoint_reader import read_checkpoint
from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import WeightsError
from edgekit.hub.cache import sha256_of
from edgekit.hub.download import OnBytes
from edgekit.hub.fill_template import fill_template
from edgekit.hub.registry import NamedModel


class BuiltModel(NamedTuple):
    """A model file that was built.

    Attributes:
        content: of the file.
        info: what the file states about itself.
        weights: file of the checkpoint.
    """

    content: bytes
    info: ArtifactInfo
    weights: Path


def build_model(model: NamedModel, *, weights: Path | None = None, on_bytes: OnBytes | None = None) -> BuiltModel:
    """Build a model file.

    Args:
        model: what to build.
        weights: checkpoint with the names of the published one; by default the published one, of an installed package
            or downloaded.
        on_bytes: progress of the download, as in `fetch`.

    Raises:
        WeightsError: the published weights are not installed, cannot be downloaded or have the wrong checksum; or the
            checkpoint cannot be read or does not fit.
    """
    path = weights or model.weights.path(on_bytes=on_bytes)
    tensors = read_checkpoint(path)
    info = model.info(weights_sha256=sha256_of(path))
    try:
        return BuiltModel(fill_template(model.template, tensors, info=info), info, path)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None

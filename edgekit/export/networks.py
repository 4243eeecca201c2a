"""The network to export: from a checkpoint of a training, or from weights and the name of their network."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.artifact.info import ArtifactInfo
from edgekit.files import sha256
from edgekit.preprocess.spec import Preprocess
from edgekit.train.checkpoint import load_checkpoint
from edgekit.zoo.build import build
from edgekit.zoo.network import Network
from edgekit.zoo.specs import spec_named
from edgekit.zoo.weights import load_weights


def network_from_checkpoint(path: str | os.PathLike[str], *, license: str) -> tuple[Network, ArtifactInfo]:
    """The trained network and its metadata. Raises WeightsError for a file that is not a checkpoint."""
    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    info = ArtifactInfo(
        model=recipe.model,
        arguments=recipe.arguments,
        labels=checkpoint.classes,
        preprocess=recipe.preprocess,
        license=license,
        weights_sha256=sha256(Path(path).read_bytes()),
    )
    return checkpoint.network(), info


def network_from_weights(
    model: str,
    path: str | os.PathLike[str],
    *,
    labels: tuple[str, ...],
    arguments: Mapping[str, Any],
    preprocess: Preprocess,
    license: str,
) -> tuple[Network, ArtifactInfo]:
    """The zoo's network `model`, built with `arguments` for these labels, with the weights of a file.

    Raises SpecError for an unknown network or argument, WeightsError for weights that do not fit.
    """
    arguments = {**arguments, "in_channels": preprocess.channels}
    network = build(model, **arguments, classes=len(labels))
    load_weights(network, path, model=model, **arguments)
    info = ArtifactInfo(
        model=model,
        arguments=arguments,
        labels=labels,
        preprocess=preprocess,
        license=license,
        weights_sha256=sha256(Path(path).read_bytes()),
    )
    return network.eval(), info


def spec_preprocess(model: str, changes: Mapping[str, Any]) -> Preprocess:
    """The preprocessing of the zoo's network with some values changed; a larger crop raises the resize too."""
    changed = Preprocess.from_dict(spec_named(model).preprocess.to_dict() | dict(changes))
    if "resize" in changes or min(changed.crop) <= changed.resize + 2 * changed.pad:
        return changed
    return dataclasses.replace(changed, resize=min(changed.crop) - 2 * changed.pad)

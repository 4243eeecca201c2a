"""Loads the network to export: from a training checkpoint, or from a weights file and the name of its network."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.artifact.info import ArtifactInfo
from edgekit.files import sha256
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.train.checkpoint import checkpoint_path, load_checkpoint
from edgekit.zoo.build import build
from edgekit.zoo.network import Network
from edgekit.zoo.specs import check_free_arguments, spec_named
from edgekit.zoo.weights import load_weights


def network_from_checkpoint(path: str | os.PathLike[str], *, license: str) -> tuple[Network, ArtifactInfo]:
    """Load a trained network.

    Args:
        path: checkpoint of a training run, or the run's folder.
        license: license of the weights, as an SPDX identifier.

    Returns:
        The network in evaluation mode, and the metadata of the file to export.

    Raises:
        WeightsError: the file is not a checkpoint.
    """
    path = checkpoint_path(path)
    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    info = ArtifactInfo(
        model=recipe.model,
        arguments=recipe.arguments,
        labels=checkpoint.classes,
        preprocess=recipe.preprocess,
        license=license,
        weights_sha256=sha256(Path(path).read_bytes()),
        task=checkpoint.task,
        epoch_choice=checkpoint.epoch_choice,
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
    """Build a network of the zoo and load its weights.

    Args:
        model: name of the network.
        path: .safetensors or .pth file, with edgekit's parameter names or those of the published checkpoint.
        labels: class names, in the order of the logits.
        arguments: keyword arguments of the network, in addition to those of its spec.
        preprocess: how images become the input of the network.
        license: license of the weights, as an SPDX identifier.

    Returns:
        The network in evaluation mode, and the metadata of the file to export.

    Raises:
        SpecError: the network or one of the arguments is unknown.
        WeightsError: the weights do not fit the network.
    """
    check_free_arguments(arguments, channels=preprocess.channels)
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
    """The preprocessing of a zoo network with some fields changed.

    Args:
        model: name of the network.
        changes: new values by field name. If `resize` is not among them, it grows with a crop that is larger than the
            resized image; with a new fit, it is the crop.

    Raises:
        SpecError: the network, a field or a value is not valid.
    """
    changed = spec_named(model).preprocess.with_changes(changes)
    edge = changed.resize
    if "resize" in changes or isinstance(edge, Size) or min(changed.crop) <= edge + 2 * changed.pad:
        return changed
    return dataclasses.replace(changed, resize=min(changed.crop) - 2 * changed.pad)

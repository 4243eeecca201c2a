"""Pretrained weights for candidates: which networks a weights file fits, and what the published ones need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edgekit.errors import WeightsError, listed
from edgekit.hub.imagenet_weights import IMAGENET, IMAGENET_WEIGHTS, PACKAGED, needed_arguments, weights_path
from edgekit.zoo.build import build
from edgekit.zoo.weights import load_weights, read_tensors

if TYPE_CHECKING:
    from edgekit.fit.candidate import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Weights that a network starts from.

    Attributes:
        weights: "imagenet", or a file.
        arguments: what the network has to be built with for them, besides the arguments of a candidate.
        preprocess: fields of the preprocessing that they were trained with, if not those of the network's spec.
    """

    weights: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    preprocess: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def transfers(
    candidates: Iterable[Candidate],
    weights: Sequence[str],
    *,
    arguments: Mapping[str, Any] = MappingProxyType({}),
    preprocess: Mapping[str, Any] = MappingProxyType({}),
    on_note: Callable[[str], None] = lambda note: None,
) -> dict[str, Transfer]:
    """Find the networks among the candidates that weights fit, at their full width and depth.

    Args:
        candidates: of `space.candidates`.
        weights: "imagenet" or weights files.
        arguments: what the networks of the files were built with, if not as by default.
        preprocess: fields of the preprocessing that they were trained with, if not those of the network's spec.
        on_note: called with a message for each network whose published weights cannot be had.

    Returns:
        The weights by the name of the network; the first that fit, if several do.

    Raises:
        WeightsError: a file cannot be read, or fits none of the networks; no published weights can be had.
        SpecError: a network does not accept the arguments.
    """
    networks = {candidate.network: candidate for candidate in candidates if is_plain(candidate)}
    found: dict[str, Transfer] = {}
    for entry in weights:
        if entry == IMAGENET:
            fitting = _published(networks, on_note)
        else:
            fitting = _of_file(Transfer(weights=entry, arguments=arguments, preprocess=preprocess), networks)
        found = fitting | found
    return found


def is_plain(candidate: Candidate) -> bool:
    """Whether a candidate has the width, depth and activation of its network: those of published weights."""
    return candidate.width_mult == candidate.depth_mult == 1 and not candidate.activation


def _published(networks: Iterable[str], on_note: Callable[[str], None]) -> dict[str, Transfer]:
    """Those of installed packages, and those that can be downloaded: without a connection, one attempt is enough."""
    found, problems = {}, []
    for network in sorted(IMAGENET_WEIGHTS.keys() & set(networks), key=lambda network: network not in PACKAGED):
        try:
            weights_path(network, IMAGENET)
        except WeightsError as error:
            problems.append(f"{network}: {error}")
            if network not in PACKAGED:
                break
            continue
        found[network] = Transfer(weights=IMAGENET, arguments=needed_arguments(network, IMAGENET))
    if not found:
        raise WeightsError(f"no published weights can be had: {listed(problems, most=2, separator='; ')}")
    if problems:
        on_note(f"without published weights: {listed(problems, most=2, separator='; ')}")
    return found


def _of_file(transfer: Transfer, networks: Iterable[str]) -> dict[str, Transfer]:
    file, networks, found = str(weights_path("", transfer.weights)), tuple(networks), {}
    read_tensors(file)  # raises its own error if it is not a weights file
    for network in networks:
        with suppress(WeightsError):
            load_weights(build(network, classes=2), file, model=network, replace_head=True)
            build(network, classes=2, **transfer.arguments)  # not before: only a network that fits needs them
            found[network] = transfer
    if not found:
        raise WeightsError(f"{transfer.weights}: fits none of the networks {listed(networks)} at full width")
    return found

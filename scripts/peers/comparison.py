"""Adopt a peer's model in one command, and compare it with the peer on image files."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgekit import Classifier, Preprocess, load_image
from peers.catalog import Peer
from peers.environments import ROOT
from peers.spread import Logits, log_softmax

# Labels must be equal unless the peer's top two probabilities are closer than LEAD; logits must agree within TOLERANCE
# standard deviations of the image's logits.
LEAD, TOLERANCE = 0.01, 1e-3
# torchvision's compiled part does not load beside a torch built without CUDA.
_WITH_TORCHVISION = (
    "from peers.torch_networks import import_torchvision; import_torchvision(); "
    "from edgekit.cli.main import script; script()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well an adopted model agrees with its peer.

    Args:
        compared: images whose top two probabilities differ by more than LEAD.
        equal: those of them with equal labels.
        difference: largest difference of a logit, in standard deviations of its image's logits. Each image's logits
            are compared up to a constant, because a softmax removes it.
    """

    compared: int
    equal: int
    difference: float

    @property
    def passed(self) -> bool:
        """Whether all labels are equal and all logits within the tolerance."""
        return 0 < self.compared == self.equal and self.difference <= TOLERANCE


class AdoptError(Exception):
    """`edgekit adopt` failed."""


def compare(peer: Peer, folder: Path, photos: Path) -> tuple[Agreement, Agreement]:
    """Adopt a peer's model; the agreement of the result, and that of a control.

    The control gets its pixels by a deliberately wrong resize: squashed if the model wants proportions kept, and the
    reverse. It must fail the check that the adopted model passes.

    Args:
        peer: what to compare with.
        folder: its folder, with the model and the reference.
        photos: the folder of the photographs.

    Raises:
        AdoptError: the command failed, or the labels are not the peer's.
    """
    _adopt(peer, folder)
    with np.load(folder / "reference.npz") as stored:
        paths, expected, labels = [photos / file for file in stored["files"]], stored["logits"], stored["labels"]
    with Classifier(folder / "adopted.onnx", exact=True) as classifier:
        if labels.size and classifier.labels != tuple(labels.tolist()):
            raise AdoptError(f"other labels: {classifier.labels[:3]} ... instead of {labels[:3]} ...")
        logits = np.stack([classifier.predict(path).logits for path in paths])
        wrong = _wrong_resize(classifier.info.preprocess)
        control = np.concatenate([classifier.logits(wrong.pixels(load_image(path))) for path in paths])
    (folder / "adopted.onnx").unlink()
    return agreement(expected, logits), agreement(expected, control)


def _adopt(peer: Peer, folder: Path) -> None:
    module = ("-c", _WITH_TORCHVISION) if peer.library == "torchvision" else ("-m", "edgekit")
    result = subprocess.run(
        [sys.executable, *module, *peer.command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise AdoptError(f"exit status {result.returncode}: {result.stderr.strip().splitlines()[-1]}")


def _wrong_resize(preprocess: Preprocess) -> Preprocess:
    if preprocess.fit == "short-edge":
        return replace(preprocess, fit="squash", resize=preprocess.crop)
    return replace(preprocess, fit="short-edge", resize=min(preprocess.crop))


def agreement(expected: Logits, logits: Logits) -> Agreement:
    """How well logits (N, classes) agree with the peer's."""
    top = np.sort(np.exp(log_softmax(expected)), axis=1)
    clear = top[:, -1] - top[:, -2] > LEAD
    equal = expected.argmax(axis=1) == logits.argmax(axis=1)
    ours, theirs = (values - values.mean(axis=1, keepdims=True, dtype=np.float64) for values in (logits, expected))
    difference = (np.abs(ours - theirs) / theirs.std(axis=1, keepdims=True)).max()
    return Agreement(compared=int(clear.sum()), equal=int((clear & equal).sum()), difference=float(difference))

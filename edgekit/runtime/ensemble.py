"""Several models that answer as one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from edgekit.errors import SpecError
from edgekit.image.load import Channels, PictureSource, in_color
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.preprocess.crops import CropPlan
from edgekit.preprocess.scores import Average, softmax
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.decoding import load_for, settled
from edgekit.runtime.prediction import Answer, Prediction, Probabilities, Request
from edgekit.runtime.predictor import Predictor

_LISTED = 6


class Ensemble(Predictor):
    """The weighted mean of what several classifiers say.

    members: with the same labels, in any order; predictions have the order of the first's. weights: one for each, of
    which only the proportions count; equal by default. It answers as a Classifier does, with as many decodings of a
    picture as the members want different ones, and closes its members. Raises SpecError for labels that disagree.
    """

    def __init__(self, members: Sequence[Classifier], *, weights: Sequence[float] | None = None) -> None:
        if not members:
            raise SpecError("an ensemble has at least one classifier")
        self._members = tuple(members)
        self._weights = _shares(weights, len(members))
        self._orders = [_order(self.labels, member.labels) for member in members]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities: the first member's."""
        return self._members[0].labels

    def warmup(self) -> None:
        """Run every network once."""
        for member in self._members:
            member.warmup()

    def close(self) -> None:
        """Close every member."""
        for member in self._members:
            member.close()

    def answered(self, image: PictureSource, request: Request) -> Prediction:
        """The answer to what was asked of one picture; `average` is also of what is averaged over the members."""
        plans = [request.plan_for(member.info, str(member.path)) for member in self._members]
        start = time.perf_counter()
        picture = self._load(image, plans, request.channels)
        load_ms = (time.perf_counter() - start) * 1e3
        pairs, average = tuple(zip(self._members, plans, strict=True)), request.average

        def answer_of(picture: Image, whole: bool) -> Answer:
            answers = [
                member.answer(in_color(picture, member.info.preprocess.color), plan, average=average, whole=whole)
                for member, plan in pairs
            ]
            return self._joined(answers, average)

        return request.prediction(settled(picture, answer_of), self.labels, load_ms=load_ms)

    def _load(self, image: PictureSource, plans: Sequence[CropPlan | AdaptivePlan], channels: Channels) -> Image:
        """The picture as large as any member needs it, within the limits of the first."""
        wanted = [(member.info.preprocess, plan) for member, plan in zip(self._members, plans, strict=True)]
        exact = any(member.exact for member in self._members)
        return load_for(image, wanted, limits=self._members[0].limits, channels=channels, exact=exact)

    def _joined(self, answers: Sequence[Answer], average: Average) -> Answer:
        logits = self._mean([answer.logits for answer in answers])
        return Answer(
            softmax(logits) if average == "logits" else self._mean([answer.probabilities for answer in answers]),
            logits,
            sum(answer.views for answer in answers),
            sum(answer.pixels_ms for answer in answers),
            sum(answer.network_ms for answer in answers),
        )

    def _mean(self, values: Sequence[Probabilities]) -> Probabilities:
        """The weighted mean of the members' (classes,) values, in the order of our labels."""
        rows = [row[order] for row, order in zip(values, self._orders, strict=True)]
        return np.asarray(np.average(rows, axis=0, weights=self._weights))


def _shares(weights: Sequence[float] | None, members: int) -> list[float]:
    shares = [1.0] * members if weights is None else [float(weight) for weight in weights]
    if len(shares) != members:
        raise SpecError(f"{len(shares)} weights for {members} classifiers; give one for each")
    if not all(math.isfinite(share) and share > 0 for share in shares):
        raise SpecError(f"weights must be above 0, not {', '.join(map(str, shares))}")
    return shares


def _order(labels: tuple[str, ...], others: tuple[str, ...]) -> list[int]:
    """Where each of `labels` stands among `others`. Raises SpecError listing what only one side has."""
    if labels == others:  # said first: ImageNet has two classes called "crane"
        return list(range(len(labels)))
    only_ours, only_theirs = (_missing(*pair) for pair in ((labels, others), (others, labels)))
    if only_ours or only_theirs:
        raise SpecError(
            f"the labels of an ensemble's models must agree; only the first has {_listed(only_ours)}; "
            f"only another has {_listed(only_theirs)}"
        )
    if len(set(labels)) < len(labels) or len(labels) != len(others):
        raise SpecError("two classes of an ensemble's models share a name, so their labels must be in the same order")
    index = {label: number for number, label in enumerate(others)}
    return [index[label] for label in labels]


def _missing(labels: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    there = set(others)
    return [label for label in labels if label not in there]


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return (", ".join(repr(label) for label in labels[:_LISTED]) or "none") + more

"""Several models that predict as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgekit.errors import SpecError
from edgekit.image.load import LoadedImage
from edgekit.labels import match_labels
from edgekit.preprocess.scores import Average, softmax
from edgekit.runtime.classifier import Classifier, Predictor
from edgekit.runtime.prediction import AnyPlan, ClassScores, Probabilities, Stopwatch

_OWNERS = ("the first model", "another model of the ensemble")


class Ensemble(Predictor):
    """The weighted mean of what several classifiers say.

    members: with the same labels, in any order; predictions have the order of the first's. weights: one for each, of
    which only the proportions count; equal by default. It answers as a Classifier does, with as many decodings of a
    image as the members want different ones, and closes its members. Raises SpecError for labels that disagree.
    """

    def __init__(self, members: Sequence[Classifier], *, weights: Sequence[float] | None = None) -> None:
        if not members:
            raise SpecError("an ensemble has at least one classifier")
        self._members = tuple(members)
        self._weights = _shares(weights, len(members))
        self._orders = [match_labels(self.labels, member.labels, owners=_OWNERS, error=SpecError) for member in members]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities: the first member's."""
        return self._members[0].labels

    @property
    def models(self) -> tuple[Classifier, ...]:
        """The members."""
        return self._members

    def warmup(self) -> None:
        """Run every network once."""
        for member in self._members:
            member.warmup()

    def close(self) -> None:
        """Close every member."""
        for member in self._members:
            member.close()

    def scores(
        self, image: LoadedImage, plans: Sequence[AnyPlan], average: Average, watch: Stopwatch, *, exact: bool = False
    ) -> ClassScores:
        """The weighted mean of the members' scores, in the order of our labels."""
        scores = [
            member.scores(image.in_color(member.info.preprocess.color), [plan], average, watch, exact=exact)
            for member, plan in zip(self._members, plans, strict=True)
        ]
        logits = self._mean([member.logits for member in scores])
        probabilities = (
            softmax(logits) if average == "logits" else self._mean([member.probabilities for member in scores])
        )
        return ClassScores(probabilities, logits, sum(member.views for member in scores))

    def _mean(self, values: Sequence[Probabilities]) -> Probabilities:
        """The weighted mean of the members' (classes,) values, in the order of our labels."""
        rows = [row[list(order)] for row, order in zip(values, self._orders, strict=True)]
        return np.asarray(np.average(rows, axis=0, weights=self._weights))


def _shares(weights: Sequence[float] | None, members: int) -> list[float]:
    shares = [1.0] * members if weights is None else [float(weight) for weight in weights]
    if len(shares) != members:
        raise SpecError(f"{len(shares)} weights for {members} classifiers; give one for each")
    if not all(math.isfinite(share) and share > 0 for share in shares):
        raise SpecError(f"weights must be above 0, not {', '.join(map(str, shares))}")
    return shares

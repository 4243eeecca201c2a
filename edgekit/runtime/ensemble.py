"""Several models that predict as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np

from edgekit.errors import SpecError, must_be
from edgekit.image.load import LoadedImage
from edgekit.labels import match_labels
from edgekit.preprocess.scores import Average
from edgekit.preprocess.scoring import Scoring
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.prediction import AnyPlan, ClassScores, Probabilities, Stopwatch
from edgekit.runtime.predictor import Predictor

_OWNERS = ("the first model", "another model of the ensemble")


class Ensemble(Predictor):
    """The weighted mean of several classifiers, which predicts as one.

    An image is decoded once for all members. Closing the ensemble closes its members. The mean is that of the
    calibrated probabilities: the logits of a member whose file has a temperature are divided by it before anything is
    averaged over the members.

    Args:
        members: classifiers with the same labels, in any order; the predictions have the order of the first.
        weights: one for each member, above 0; only their proportions matter. Equal by default.

    Raises:
        SpecError: the labels differ, single- and multi-label models are mixed, or an argument is not valid.

    Example:
        >>> from edgekit import Classifier, Ensemble
        >>> members = [Classifier("mobilenet_v2-cifar10"), Classifier("mobilenet_v2-cifar10-int8")]
        >>> with Ensemble(members, weights=[2, 1]) as ensemble:
        ...     ensemble.predict("examples/ship.png").label
        'ship'
        >>> ensemble
        <Ensemble of 2 models: 'mobilenet_v2', 'mobilenet_v2'; 10 labels>
    """

    def __init__(self, members: Sequence[Classifier], *, weights: Sequence[float] | None = None) -> None:
        if not isinstance(members, Sequence) or not members or not all(isinstance(m, Classifier) for m in members):
            raise SpecError(must_be("members", "a list of at least one Classifier", members))
        tasks = {member.info.task for member in members}
        if len(tasks) > 1:
            raise SpecError(f"`members` must have the same task (got {' and '.join(sorted(tasks))})")
        self._members = tuple(members)
        self._weights = _shares(weights, len(members))
        self._orders = [match_labels(self.labels, member.labels, owners=_OWNERS, error=SpecError) for member in members]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities: the first member's."""
        return self._members[0].labels

    @property
    def scoring(self) -> Scoring:
        """The members' task; the threshold of a class is the weighted mean of theirs."""
        members = [member.scoring for member in self._members]
        if all(scoring.thresholds is None for scoring in members):
            return members[0]
        cutoffs = [np.broadcast_to(scoring.cutoffs, len(self.labels)) for scoring in members]
        return Scoring(task=members[0].task, thresholds=tuple(self._mean(cutoffs).tolist()))

    @property
    def models(self) -> tuple[Classifier, ...]:
        """The members."""
        return self._members

    def warmup(self) -> None:
        """Run every network once, so that the first prediction is as fast as the next."""
        for member in self._members:
            member.warmup()

    def close(self) -> None:
        """Close every member. Predicting after that is an error."""
        for member in self._members:
            member.close()

    def _scores(
        self, image: LoadedImage, plans: Sequence[AnyPlan], average: Average, watch: Stopwatch, *, exact: bool = False
    ) -> ClassScores:
        scores = [
            member._scores(image.in_color(member.info.preprocess.color), [plan], average, watch, exact=exact)
            for member, plan in zip(self._members, plans, strict=True)
        ]
        scoring = self.scoring
        logits, views = self._mean([member.logits for member in scores]), sum(member.views for member in scores)
        if average == "logits":
            temperatures = [member.info.temperature or 1.0 for member in self._members]
            divided = [member.logits / value for member, value in zip(scores, temperatures, strict=True)]
            calibrated, uncalibrated = (scoring.probabilities(values) for values in (self._mean(divided), logits))
            return ClassScores(calibrated, uncalibrated, logits, views)
        probabilities = self._mean([member.probabilities for member in scores])
        uncalibrated = self._mean([member.uncalibrated for member in scores])
        return ClassScores(probabilities, uncalibrated, logits, views)

    def _mean(self, values: Sequence[Probabilities]) -> Probabilities:
        """The weighted mean of the members' values (classes,), in the order of the ensemble's labels."""
        rows = [row[list(order)] for row, order in zip(values, self._orders, strict=True)]
        return np.asarray(np.average(rows, axis=0, weights=self._weights))

    def _over(self, models: tuple[Classifier, ...]) -> Ensemble:
        return Ensemble(models, weights=self._weights)

    def __repr__(self) -> str:
        count, networks = len(self._members), ", ".join(repr(member.info.model) for member in self._members)
        return f"<Ensemble of {count} model{'s' * (count > 1)}: {networks}; {len(self.labels)} labels>"


def _shares(weights: Sequence[float] | None, members: int) -> list[float]:
    if weights is None:
        return [1.0] * members
    if not isinstance(weights, Sequence | np.ndarray) or not all(isinstance(w, Real) for w in weights):
        raise SpecError(must_be("weights", "a list of numbers", weights))
    shares = [float(weight) for weight in weights]
    if len(shares) != members:
        raise SpecError(f"`weights` has {len(shares)} values for {members} classifiers; give one for each")
    if not all(math.isfinite(share) and share > 0 for share in shares):
        raise SpecError(must_be("weights", "above 0", shares))
    return shares

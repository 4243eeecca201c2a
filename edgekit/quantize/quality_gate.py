"""The quality gate: the limits that a candidate must keep, and the verdict on it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from edgekit.errors import SpecError, check_types, must_be
from edgekit.evaluate.accuracy import AnyAccuracy
from edgekit.evaluate.accuracy_drop import images_needed, points_lost_interval
from edgekit.evaluate.intervals import Interval, images_for_margin, wilson_interval
from edgekit.quantize.held_out_evaluation import HeldOutResult

Verdict: TypeAlias = Literal["proven", "unproven", "rejected"]

# Fewer held-out images prove nothing: they can hardly be a sample of all that the model will see.
MIN_IMAGES = 200
_MOST_IMAGES = 1_000_000  # nobody labels more to settle a verdict
_SIGNIFICANCE = 0.05
# Even interleaved, two runs of the same file differ by this much on a shared machine.
_SPEED_NOISE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The limits that a candidate must keep to pass.

    A candidate is *rejected* if it misses a limit. Otherwise it is *proven* if, on at least 200 images, the whole 95%
    interval of its accuracy drop keeps `max_drop`, or without labels that of its agreement keeps `min_agreement`; if
    the images leave that open, it is *unproven*.

    `max_drop` applies if the held-out images have labels, `min_agreement` and `max_divergence` if they have none;
    `min_speedup` applies if the candidate is for this machine.

    Args:
        max_drop: largest accuracy drop, in percentage points of top-1; of a multi-label model, of mAP.
        min_speedup: smallest speedup over the parent on one thread, on this machine (1.5 is 50% faster). A candidate
            that misses it by 2% or less still passes, because timings are noisy.
        min_agreement: smallest share of the images for which the candidate predicts the parent's label, in percent.
        max_divergence: largest mean KL divergence of the probabilities from the parent's, in nats.
        strict: reject a candidate that is unproven.

    Raises:
        SpecError: a limit is NaN, or `strict` is neither True nor False.

    Example:
        >>> from edgekit.quantize import Gate
        >>> Gate(max_drop=0.5, min_speedup=1.5)
        Gate(max_drop=0.5, min_speedup=1.5, min_agreement=95.0, max_divergence=0.1, strict=False)
    """

    max_drop: float = 1.0
    min_speedup: float = 1.0
    min_agreement: float = 95.0
    max_divergence: float = 0.1
    strict: bool = False

    def __post_init__(self) -> None:
        check_types(bool, strict=self.strict)
        for limit in dataclasses.fields(self):
            value = getattr(self, limit.name)
            try:
                is_number = not math.isnan(value)  # every comparison with NaN would pass
            except (TypeError, OverflowError):
                is_number = False
            if not is_number:
                raise SpecError(must_be(limit.name, "a number", value))


class Failure(NamedTuple):
    """A limit that a candidate misses, and by how much: percentage points of accuracy, or percent of the speed."""

    message: str
    excess: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """What the gate finds of a candidate.

    Attributes:
        failures: the limits that it misses.
        loss: what it loses, in percentage points, with its interval: of accuracy, or if the images have no labels, of
            the images that have its parent's label.
        doubt: why the images do not prove what they show, as text; None if they do, or if they show that it fails.
        can_prove_others: whether another candidate could be proven by these images: one that loses nothing, with an
            interval as wide as this one's, or if unproven ones are rejected, one that changes no prediction.
    """

    failures: tuple[Failure, ...]
    loss: Interval
    doubt: str | None
    can_prove_others: bool

    @property
    def verdict(self) -> Verdict:
        """The verdict: "rejected", "unproven" or "proven"."""
        if self.failures:
            return "rejected"
        return "proven" if self.doubt is None else "unproven"


def judge(result: HeldOutResult, gate: Gate, *, tried: int = 1) -> Judgment:
    """Judge a candidate.

    Args:
        result: the candidate's measurements.
        gate: the limits.
        tried: number of candidates that were judged by the same images, with this one. Each is another chance to pass
            by luck, so that the interval of the n-th is that of 1 - 0.05 / n (Bonferroni). Without this, one of the
            eight int8 candidates for CIFAR-10 was proven on up to 17% of the sets drawn from its 10,000 test images
            though all eight lost just more than the limit; with it, on 1 to 6%.
    """
    confidence, images = 1 - _SIGNIFICANCE / tried, result.parity.images
    criterion = _criterion(result, gate, confidence=confidence)
    loss, limit, is_large = criterion.loss, criterion.limit, images >= MIN_IMAGES
    failures, doubt = [*criterion.failures, *_speed_failures(result, gate)], None
    if not failures and not (is_large and loss.high <= limit):
        doubt = _doubt(criterion, images=images)
        if gate.strict:
            failures = [Failure(f"is unproven ({doubt}), which `strict` rejects", max(loss.high - limit, 0.0))]
    least = 100 * wilson_interval(0, images, confidence=confidence).high if gate.strict else loss.high - loss.value
    return Judgment(failures=tuple(failures), loss=loss, doubt=doubt, can_prove_others=is_large and least <= limit)


class _Criterion(NamedTuple):
    """What the gate judges a candidate's predictions by: its accuracy, or without labels its agreement.

    Attributes:
        loss: as of `Judgment`.
        limit: the largest loss allowed, in percentage points.
        metric: what is lost.
        images: number of images that would probably prove it if the loss is what it seems; may be infinite.
        failures: the limits that are missed.
    """

    loss: Interval
    limit: float
    metric: str
    images: float
    failures: list[Failure]


def _criterion(result: HeldOutResult, gate: Gate, *, confidence: float) -> _Criterion:
    if result.parent is not None and result.child is not None:
        return _accuracy(result.parent, result.child, gate, confidence=confidence)
    return _agreement(result, gate, confidence=confidence)


def _accuracy(parent: AnyAccuracy, child: AnyAccuracy, gate: Gate, *, confidence: float) -> _Criterion:
    loss, failures = points_lost_interval(parent, child, confidence=confidence), []
    if loss.value > gate.max_drop:
        message = (
            f"loses {loss.value:.2f} percentage points of {parent.metric} ({100 * parent.value:.2f}% -> "
            f"{100 * child.value:.2f}% on {len(parent.truth)} held-out images; `max_drop` allows {gate.max_drop:g})"
        )
        failures = [Failure(message, loss.value - gate.max_drop)]
    limit = min(gate.max_drop, 100.0)
    images = images_needed(parent, child, interval=loss, limit=limit, confidence=confidence)
    return _Criterion(loss, limit, parent.metric, images, failures)


def _agreement(result: HeldOutResult, gate: Gate, *, confidence: float) -> _Criterion:
    count, limit = result.parity.images, 100 - gate.min_agreement
    others = wilson_interval(round((1 - result.parity.agreement) * count), count, confidence=confidence)
    loss = Interval(value=100 * others.value, low=100 * others.low, high=100 * others.high)
    # Wilson's interval ends at the share that is z of its own standard errors from the measured one.
    tested, measured = (math.sqrt(max(share * (100 - share), 0.0)) for share in (limit, loss.value))
    images = images_for_margin(limit - loss.value, tested, measured, confidence=confidence)
    return _Criterion(loss, limit, "agreement", images, _unlabeled_failures(result, gate))


def _unlabeled_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    failures = []
    agreement = 100 * result.parity.agreement
    if agreement < gate.min_agreement:
        message = (
            f"predicts its parent's label for only {agreement:.2f}% of {result.parity.images} held-out images "
            f"(`min_agreement` requires {gate.min_agreement:g})"
        )
        failures.append(Failure(message, gate.min_agreement - agreement))
    if not result.divergence <= gate.max_divergence:
        message = (
            f"has a mean KL divergence of {result.divergence:.3f} nats from its parent's probabilities "
            f"(`max_divergence` allows {gate.max_divergence:g})"
        )
        failures.append(Failure(message, 100 * (result.divergence - gate.max_divergence)))
    return failures


def _speed_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    if result.speedup is None or not result.speedup < gate.min_speedup * (1 - _SPEED_NOISE):
        return []
    message = (
        f"runs at {result.speedup:.2f}x the speed of its parent on this machine "
        f"(`min_speedup` requires {gate.min_speedup:g})"
    )
    return [Failure(message, 100 * (1 - result.speedup / gate.min_speedup))]


def _doubt(criterion: _Criterion, *, images: int) -> str:
    """How closely the images resolve the loss, and how many would settle it."""
    half, needed = (criterion.loss.high - criterion.loss.low) / 2, max(criterion.images, MIN_IMAGES)
    resolved = f"{images} held-out images resolve +-{half:.2g} percentage points of {criterion.metric}"
    if needed > _MOST_IMAGES:
        return f"{resolved}; the result is so near the limit that over a million would be needed to settle it"
    unit = 10 ** (math.floor(math.log10(needed)) - 1)  # two digits, rounded up
    return f"{resolved}; about {math.ceil(needed / unit) * unit} would settle it"

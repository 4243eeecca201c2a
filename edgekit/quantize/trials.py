"""The outcome of trying a scheme, which scheme is tried next, and which of several outcomes is the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.quantize.held_out_evaluation import HeldOutResult
from edgekit.quantize.quality_gate import Gate, Judgment, Verdict, judge
from edgekit.quantize.schemes import UNCHANGED, Scheme

# Candidates that pass with at least this fraction of the best speedup count as equally fast; the most accurate wins.
_EQUAL_SPEED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The outcome of trying one scheme.

    Attributes:
        scheme: the scheme.
        result: its candidate compared with the parent on the held-out images.
        gate: the limits that the candidate is judged by.
        tried: number of schemes tried so far, with this one; the interval of `judgment` is corrected for it.
        judgment: what the gate finds.
    """

    scheme: Scheme
    result: HeldOutResult
    gate: Gate
    tried: int
    judgment: Judgment

    @property
    def failures(self) -> tuple[str, ...]:
        """The limits of the gate that the candidate misses, as text; empty if it passes."""
        return tuple(failure.message for failure in self.judgment.failures)

    @property
    def excess(self) -> float:
        """By how much it misses them in total, in percentage points of accuracy and percent of the speed."""
        return sum(failure.excess for failure in self.judgment.failures)

    @property
    def passed(self) -> bool:
        """Whether the candidate passes the gate: it is proven or unproven, not rejected."""
        return not self.judgment.failures

    @property
    def verdict(self) -> Verdict:
        """The verdict of the gate: "proven", "unproven" or "rejected"."""
        return self.judgment.verdict

    @property
    def doubt(self) -> str | None:
        """Why a candidate is unproven, and how many images would settle it, as text; None for any other verdict."""
        return self.judgment.doubt if self.passed else None

    def evidence(self) -> dict[str, Any]:
        """The scheme, its reproducible figures and the verdict: what is written into the model file."""
        gate, loss = self.gate, self.judgment.loss
        if self.result.drop is None:
            limits = {"min_agreement": gate.min_agreement, "max_divergence": gate.max_divergence}
            interval = {"agreement_interval": [round(1 - end / 100, 5) for end in (loss.high, loss.low)]}
        else:
            limits, interval = {"max_drop": gate.max_drop}, {"drop_interval": [round(loss.low, 3), round(loss.high, 3)]}
        verdict = {"verdict": self.verdict} | ({} if self.doubt is None else {"doubt": self.doubt})
        finite = {name: limit for name, limit in limits.items() if math.isfinite(limit)}
        tried = {"recipe": self.scheme.name, "schemes_tried": self.tried}
        return self.result.evidence() | interval | tried | finite | verdict

    def to_dict(self) -> dict[str, Any]:
        """The evidence, the costs and the failures, ready for JSON; `doubt` is None if there is none."""
        figures = {"doubt": None} | self.evidence() | self.result.costs() | {"size_bytes": self.result.size_bytes}
        return {**figures, "failures": list(self.failures)}


def judged_trial(scheme: Scheme, result: HeldOutResult, gate: Gate, *, tried: int) -> Trial:
    """Judge the candidate of a scheme by the gate. tried: as of `Trial`."""
    return Trial(scheme=scheme, result=result, gate=gate, tried=tried, judgment=judge(result, gate, tried=tried))


def is_worth_trying(scheme: Scheme, trials: Sequence[Trial]) -> bool:
    """Whether the search goes on to a scheme: until one is proven.

    Past an unproven one it goes on only if the images could prove another, and only to schemes with the same
    arithmetic. One that computes in float32 is soon proven, because it changes next to nothing, but gives up the speed
    that the unproven one has gained; it is tried if unproven ones are rejected.

    Args:
        scheme: the scheme.
        trials: the outcomes of those before it.
    """
    if any(trial.verdict == "proven" for trial in trials):
        return False
    doubtful = next((trial for trial in trials if trial.judgment.doubt is not None), None)
    if doubtful is None:
        return True
    is_alike = doubtful.scheme.storage == scheme.storage
    return doubtful.judgment.can_prove_others and (is_alike or not doubtful.passed)


def best_trial(trials: Sequence[Trial], *, try_all: bool) -> Trial:
    """The trial to write, or the closest one if none passes.

    A proven one is preferred to unproven ones with the same arithmetic. Among several of one verdict, it is the first
    that passes; with `try_all`, the most accurate of the fastest. Where speed is not measured, those with the same
    arithmetic and as many layers in float32 as the first count as the fastest, because schemes are tried in the order
    of what they gain.

    Args:
        trials: the outcomes, in the order in which they were tried.
        try_all: whether they are those of all schemes.
    """
    passed = [trial for trial in trials if trial.passed]
    if not passed:
        return min(trials, key=lambda trial: (math.isnan(trial.excess), trial.excess))
    leader = max(passed, key=_speedup) if try_all else passed[0]
    alike = [trial for trial in passed if trial.scheme.storage == leader.scheme.storage]
    best = [trial for trial in alike if trial.verdict == "proven"] or alike
    if not try_all:
        return best[0]
    if leader.result.speedup is None:
        fast = [trial for trial in best if trial.scheme.keep_float == best[0].scheme.keep_float]
    else:
        fast = [trial for trial in best if _speedup(trial) >= _EQUAL_SPEED * max(map(_speedup, best))]
    return min(fast, key=lambda trial: (trial.result.drop or 0.0, trial.result.divergence))


def _speedup(trial: Trial) -> float:
    return trial.result.speedup or 0.0


def refusal(trial: Trial, *, count: int) -> str:
    """Why nothing was written.

    Args:
        trial: the closest trial.
        count: number of trials.
    """
    failures = " and ".join(trial.failures)
    remedy = "nothing was written (to write it anyway, use `allow_worse`)"
    if count == 1:
        subject = "the model" if trial.scheme is UNCHANGED else f"scheme {trial.scheme.name}"
        return f"{subject} {failures}; {remedy}"
    return f"none of {count} schemes passes the quality gate; the closest, {trial.scheme.name}, {failures}; {remedy}"

"""The outcome of trying a scheme, and which of several outcomes is the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.quantize.quality_gate import Gate, HeldOutResult, gate_failures
from edgekit.quantize.schemes import UNCHANGED, Scheme

# Candidates that pass with at least this fraction of the best speedup count as equally fast; the most accurate wins.
_EQUAL_SPEED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The outcome of trying one scheme.

    Attributes:
        scheme: the scheme.
        result: its candidate compared with the parent on the held-out images.
        failures: the limits of the gate that the candidate misses, as text; empty if it passes.
        excess: by how much it misses them in total, in percentage points of accuracy and percent of the speed.
    """

    scheme: Scheme
    result: HeldOutResult
    failures: tuple[str, ...]
    excess: float

    @property
    def passed(self) -> bool:
        """Whether the candidate passes the gate."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """The scheme, its figures and its failures, ready for JSON."""
        figures = self.result.evidence() | self.result.costs() | {"size_bytes": self.result.size_bytes}
        return {"recipe": self.scheme.name, **figures, "failures": list(self.failures)}


def judged_trial(scheme: Scheme, result: HeldOutResult, gate: Gate) -> Trial:
    """Judge the candidate of a scheme by the gate."""
    failures = gate_failures(result, gate)
    return Trial(
        scheme=scheme,
        result=result,
        failures=tuple(failure.message for failure in failures),
        excess=sum(failure.excess for failure in failures),
    )


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The most accurate of the fastest trials that pass; the closest one if none passes.

    Where speed is not measured, those with the arithmetic of the first that passes count as the fastest, because
    schemes are tried in the order of what they gain.
    """
    passed = [trial for trial in trials if trial.passed]
    if not passed:
        return min(trials, key=lambda trial: (math.isnan(trial.excess), trial.excess))
    speeds = [speed for trial in passed if (speed := trial.result.speedup) is not None]
    if speeds:
        least = _EQUAL_SPEED * max(speeds)
        fast = [trial for trial in passed if (trial.result.speedup or 0.0) >= least]
    else:
        fast = [trial for trial in passed if _arithmetic(trial) == _arithmetic(passed[0])]
    return min(fast, key=lambda trial: (trial.result.drop or 0.0, trial.result.divergence))


def _arithmetic(trial: Trial) -> tuple[str, float]:
    return trial.scheme.storage, trial.scheme.keep_float


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

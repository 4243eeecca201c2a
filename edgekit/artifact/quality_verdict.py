"""The verdict of the quality gate of `edgekit quantize`, as a model file states it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def verdict_text(evidence: Mapping[str, Any]) -> str | None:
    """The verdict in words.

    Args:
        evidence: what the gate measured, as in `ArtifactInfo.parity["quantize"]`.

    Returns:
        A line such as "proven: it loses at most 1 percentage points of top-1"; None if there is no verdict, as in files
        of edgekit 0.1.0.

    Raises:
        KeyError: a figure is missing.
        TypeError: a figure is not a number.
        ValueError: likewise.
    """
    verdict = evidence.get("verdict")
    if verdict is None:
        return None
    if verdict == "proven":
        return f"proven: {_proof(evidence)}"
    reason = evidence["doubt" if verdict == "unproven" else "worse"]
    return f"{verdict}: {reason}"


def _proof(evidence: Mapping[str, Any]) -> str:
    if "drop_interval" in evidence:
        return f"it loses at most {evidence['max_drop']:g} percentage points of {_metric(evidence)}"
    return f"it predicts its parent's label for at least {evidence['min_agreement']:g}% of images"


def interval_text(evidence: Mapping[str, Any]) -> str:
    """The interval that a verdict follows from, in words.

    Args:
        evidence: as of `verdict_text`.

    Returns:
        Words such as "-0.61 to +0.51 percentage points of top-1 (95% interval)", where a loss is negative.

    Raises:
        KeyError: there is no interval.
        TypeError: a figure is not a number.
        ValueError: likewise, or an interval does not have two ends.
    """
    tried = evidence.get("schemes_tried", 1)
    kind = "95% interval" if tried == 1 else f"95% interval, corrected for {tried} schemes"
    if "drop_interval" in evidence:
        low, high = (round(-end, 2) + 0.0 for end in reversed(evidence["drop_interval"]))  # + 0.0: no minus zero
        return f"{low:+.2f} to {high:+.2f} percentage points of {_metric(evidence)} ({kind})"
    low, high = evidence["agreement_interval"]
    return f"same label on {100 * low:.2f}% to {100 * high:.2f}% of images ({kind})"


def _metric(evidence: Mapping[str, Any]) -> str:
    return "mAP" if "map" in evidence else "top-1"

"""front.json, what a fit found as one JSON document, schema 1: docs/file-format.md describes its keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit import __version__
from edgekit.files import write_atomically
from edgekit.fit.front import pareto

if TYPE_CHECKING:
    from edgekit.fit.budget import Budget
    from edgekit.fit.device import Device
    from edgekit.fit.fitted import Fitted, Rung
    from edgekit.fit.front import FrontPoint

SCHEMA = 1


def front_document(fitted: Fitted) -> dict[str, Any]:
    """What a fit found, as JSON-ready values.

    Args:
        fitted: the result of `edgekit.fit.fit`.
    """
    budget = fitted.budget
    inside = [point for point in fitted.points if budget.admits(point.figures)]
    return {
        "schema": SCHEMA,
        "edgekit": __version__,
        "data": fitted.data,
        "classes": fitted.classes,
        "settings": dict(fitted.settings),
        "seconds": round(fitted.seconds, 1),
        "budget": budget_values(budget),
        "device": device_values(fitted.device),
        "chosen": fitted.chosen.name if fitted.chosen else None,
        "reason": fitted.reason if fitted.chosen else None,
        "accuracy": _accuracy(fitted) if fitted.chosen else None,
        "held_out": fitted.held_out_images,
        "front": [point.name for point in pareto(inside)],
        "rungs": [_rung(rung) for rung in fitted.rungs],
        "candidates": [point_values(point, budget) for point in fitted.points],
    }


def write_front(fitted: Fitted, path: Path) -> None:
    """Write front.json.

    Args:
        fitted: the result of `edgekit.fit.fit`.
        path: the file to write.

    Raises:
        EdgekitError: the file cannot be written.
    """
    document = front_document(fitted)
    candidates = ",\n".join(f"  {json.dumps(candidate)}" for candidate in document.pop("candidates"))
    entries = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in document.items())
    write_atomically(path, f'{{\n{entries},\n"candidates": [\n{candidates}\n]\n}}\n'.encode())


def budget_values(budget: Budget) -> dict[str, Any]:
    """The limits, as JSON-ready values."""
    return {
        "latency_ms": budget.latency_ms,
        "size_bytes": budget.size_bytes,
        "memory_bytes": budget.memory_bytes,
    }


def device_values(device: Device) -> dict[str, Any]:
    """What is known of a device, as JSON-ready values."""
    return {
        "name": device.name,
        "threads": device.threads,
        "is_here": device.is_here,
        "source": device.source,
        "created": device.created,
        "runtime": device.runtime,
    }


def point_values(point: FrontPoint, budget: Budget) -> dict[str, Any]:
    """A candidate and its figures, as JSON-ready values."""
    candidate = point.candidate
    return {
        "name": point.name,
        "network": candidate.network,
        "arguments": dict(candidate.arguments),
        "resolution": candidate.resolution,
        "precision": candidate.precision,
        "predicted": point.predicted._asdict(),
        "measured": point.measured._asdict() if point.measured else None,
        "in_budget": budget.admits(point.figures),
        "expected_imagenet_accuracy": point.prior,
        "accuracy": point.accuracy,
        "rung": point.rung,
        "stage": point.stage,
    }


def _accuracy(fitted: Fitted) -> dict[str, Any]:
    return {
        "images": fitted.val_images,
        "float32": fitted.val_accuracy,
        "int8": fitted.quantized_accuracy,
        "verdict": fitted.verdict,
    }


def _rung(rung: Rung) -> dict[str, Any]:
    return {
        "number": rung.number,
        "epochs": rung.epochs,
        "candidates": list(rung.candidates),
        "survivors": list(rung.survivors),
        "accuracies": dict(rung.accuracies),
        "images": dict(rung.images),
        "seconds": round(rung.seconds, 1),
    }

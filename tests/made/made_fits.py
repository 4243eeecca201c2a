"""What a fit may have found, as the report page, front.json and the command get it."""

import dataclasses
import math
import random
from pathlib import Path
from types import SimpleNamespace

from edgekit.fit.budget import Budget
from edgekit.fit.candidate import Candidate
from edgekit.fit.fitted import Fitted, Rung
from edgekit.fit.front import Figures, FrontPoint

NETWORKS = ("mobilenet_v2", "mobilenet_v3_large", "efficientnet_lite0", "resnet18")
WIDTHS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.4)
BUDGET = Budget(latency_ms=5.0, size_bytes=4_000_000)
RESOLUTIONS = (96, 128, 160, 192, 224)


def here() -> SimpleNamespace:
    """This machine, as far as what prints a device needs it."""
    return SimpleNamespace(
        name="AMD EPYC",
        threads=2,
        is_here=True,
        source="measured here",
        created="2026-11-28T09:00:00Z",
        runtime="1.31.1",
    )


def away(*, name: str = "Raspberry Pi 5", source: str = "device.json") -> SimpleNamespace:
    """A device that a bench kit measured."""
    return SimpleNamespace(**{**vars(here()), "name": name, "threads": 4, "is_here": False, "source": source})


def candidate(network: str = "mobilenet_v2", *, width: float = 1.0, resolution: int = 160, precision: str = "int8"):
    return Candidate(network=network, width_mult=width, resolution=resolution, precision=precision, classes=10)


def points() -> list[FrontPoint]:
    """Candidates whose figures grow with width and resolution, with some noise, the same in every run."""
    rng = random.Random(0)
    found = []
    for network in NETWORKS:
        for width in WIDTHS:
            for resolution in RESOLUTIONS:
                for precision in ("float32", "int8"):
                    macs = 300e6 * (0.1 + width**2) * (resolution / 224) ** 2 * rng.uniform(0.8, 1.25)
                    figures = Figures(
                        macs / (30e6 if precision == "float32" else 70e6),
                        round(3.4e6 * (0.2 + width**2) * (4 if precision == "float32" else 1)),
                        round(6e6 * width * (resolution / 224) ** 2) + 500_000,
                    )
                    prior = 0.80 - 0.12 / math.sqrt(macs / 100e6) - 0.003 * (precision == "int8")
                    found.append(
                        FrontPoint(
                            candidate=candidate(network, width=width, resolution=resolution, precision=precision),
                            predicted=figures,
                            prior=max(prior, 0.2),
                        )
                    )
    return found


def trained_points(budget: Budget) -> list[FrontPoint]:
    """The same after a search: eight are trained, in two rungs, three are measured, one is chosen."""
    found = points()
    inside = sorted(
        (n for n, point in enumerate(found) if budget.admits(point.figures)), key=lambda n: -found[n].prior
    )[:8]
    for place, n in enumerate(inside):
        point = found[n]
        rung = 2 if place < 3 else 1
        measured = None
        if rung == 2:
            latency, size, memory = point.predicted
            measured = Figures(latency * (1.04 - 0.03 * place), size + 1200, round(memory * 0.97))
        found[n] = dataclasses.replace(
            point,
            measured=measured,
            accuracy=(0.88 if rung == 2 else 0.7) - 0.011 * place,
            rung=rung,
            stage="chosen" if place == 0 else "measured" if measured else "trained",
        )
    return found


def fitted(
    folder: Path,
    *,
    data: str = "photos",
    device: SimpleNamespace | None = None,
    budget: Budget = BUDGET,
    trained: bool = True,
) -> Fitted:
    """The result of a fit that found these candidates."""
    candidates = trained_points(budget) if trained else points()
    common = {
        "output": folder,
        "data": data,
        "classes": 10,
        "budget": budget,
        "device": device or here(),
        "settings": {"seed": 0, "hours": 0.5},
        "points": tuple(candidates),
        "seconds": 1754.26,
    }
    if not trained:
        return Fitted(**common)
    by_rung = {rung: [p for p in candidates if p.rung is not None and p.rung >= rung] for rung in (1, 2)}
    rungs = tuple(
        Rung(
            number=rung,
            epochs=2.0 * rung,
            candidates=tuple(p.name for p in took_part),
            survivors=tuple(p.name for p in by_rung.get(rung + 1, [])),
            accuracies={p.name: p.accuracy - 0.1 * (p.rung - rung) for p in took_part},
            images={p.name: 1000 for p in took_part},
            seconds=300.0 * rung,
        )
        for rung, took_part in by_rung.items()
    )
    chosen = next(point for point in candidates if point.stage == "chosen")
    return Fitted(
        **common,
        rungs=rungs,
        chosen=chosen,
        reason="It has the highest accuracy on the held-out images of the 3 that keep the budget as measured.",
        model=folder / "model.onnx",
        val_accuracy=0.885,
        quantized_accuracy=0.882,
        verdict="proven",
        val_images=2000,
        held_out_images=500,
    )

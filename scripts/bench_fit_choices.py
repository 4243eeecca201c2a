"""Trains what people would choose by hand, or random candidates, for the same budget and time as `edgekit fit`.

    python scripts/bench_fit_choices.py DATA FOLDER --latency 1ms --minutes 15 --choices hand|random [--seed 0]

By hand: MobileNetV2 of width 0.25, 0.5 and 1.0 and EfficientNet-Lite0, each at the images' own resolution, or the
largest below it that keeps the budget as measured, with the usual last grid, in float32 if that keeps it, otherwise in
int8. At random: candidates that keep it. The minutes are divided equally among the choices; each is trained from random
weights, exported, quantized and verified as `edgekit fit` does with the one that it chooses. FOLDER keeps what was
done; the same call continues it. Prints a row for each choice.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
from collections.abc import Iterable
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.fit import Budget, device_named
from edgekit.fit.accuracy import total_stride
from edgekit.fit.front import Figures, FrontPoint
from edgekit.fit.images import read_search_images
from edgekit.fit.layers import Traces
from edgekit.fit.measurements import quiet_figures, training_speed, write_untrained
from edgekit.fit.preselection import trial_recipe
from edgekit.fit.ranking import SLACK, predicted_points
from edgekit.fit.search_task import SearchTask
from edgekit.fit.space import candidates
from edgekit.fit.state_file import open_state
from edgekit.fit.winner import finish

BY_HAND = (("mobilenet_v2", 0.25), ("mobilenet_v2", 0.5), ("mobilenet_v2", 1.0), ("efficientnet_lite0", 1.0))

_USUAL_STRIDES = (8, 32)  # from the input to the last grid: of networks for small images, and for photos
_NO_RESULT = {"accuracy": 0.0, "loss": 0.0, "tune": "scratch", "epochs": 1, "images": 1}


def main() -> None:
    """Run the choices in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--choices", choices=("hand", "random"), default="hand")
    parser.add_argument("--count", type=int, default=4, help="of random choices (default: 4)")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    comparison = Comparison(options)
    chosen = comparison.by_hand() if options.choices == "hand" else comparison.at_random()
    print(f"{len(chosen)} choices within {options.latency}, {options.minutes / len(chosen):.1f} minutes each")
    for task in chosen:
        print(comparison.row(task, seconds=60 * options.minutes / len(chosen)), flush=True)


class Comparison:
    """The images, the candidates and their figures. options: of the command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.budget = Budget.parse(latency=options.latency)
        self.device = device_named("this", threads=options.threads)
        self.images = read_search_images(
            options.data, val_fraction=0.0, seed=options.seed, allow_leaks=False, known={}, progress=lambda *_: None
        )
        found = candidates(
            classes=len(self.images.training.classes), image_size=self.images.edge, channels=self.images.channels
        )
        self.traces = Traces()
        self.points = predicted_points(found, device=self.device, traces=self.traces)

    def by_hand(self) -> list[SearchTask]:
        """The choices of `BY_HAND` that have a form inside the budget."""
        tasks = []
        for network, width in BY_HAND:
            forms = [
                point
                for point in self.points
                if (point.candidate.network, point.candidate.width_mult, point.candidate.depth_mult)
                == (network, width, 1.0)
                and point.candidate.resolution <= self.images.edge
                and total_stride(point.candidate) in _USUAL_STRIDES
            ]
            largest_first = sorted(forms, key=lambda point: (-point.candidate.resolution, -point.prior, point.name))
            tasks.append(self._first_inside(largest_first))
        return [task for task in tasks if task is not None]

    def at_random(self) -> list[SearchTask]:
        """Random candidates inside the budget."""
        rng, tasks = random.Random(self.options.seed), list[SearchTask]()
        names = set[str]()
        while len(tasks) < self.options.count:
            task = self._first_inside([rng.choice(self.points)])
            if task is not None and next(iter(task.points)) not in names:
                tasks.append(task)
                names |= set(task.points)
        return tasks

    def row(self, task: SearchTask, *, seconds: float) -> str:
        """Train and verify a choice. seconds: for it."""
        (name,) = task.points
        entry = task.state.entries[name]
        if entry["images_per_s"] is None:
            macs = self.traces.cost(task.points[name].candidate).macs
            speed = training_speed(trial_recipe(task, name), self.images.learning, macs=macs, workers=1)
            entry |= {"images_per_s": speed, "results": {"1": _NO_RESULT}}
        task.state.save()  # counts the time until now: that of the other choices is not its own
        begun = task.state.seconds
        try:
            finish(dataclasses.replace(task, seconds=begun + seconds))
        except EdgekitError as error:
            return f"{name}: {error}"
        final = task.state.finals[-1]
        outcome = final["outcome"]
        accuracy = outcome["quantized_accuracy"] or outcome["val_accuracy"]
        return (
            f"{final['name']}: {100 * accuracy:.2f}% after {final['epochs']} epochs, "
            f"{outcome['figures']['latency_ms']:.3f} ms, {outcome['figures']['size_bytes']:,} bytes, "
            f"{(task.state.seconds - begun) / 60:.1f} minutes"
        )

    def _first_inside(self, points: Iterable[FrontPoint]) -> SearchTask | None:
        """The first candidate that keeps the budget by prediction and as measured."""
        for point in points:
            if self.budget.admits(point.predicted, slack=SLACK):
                task = self._task(point)
                if self.budget.admits(self._measured(task, point)):
                    return task
        return None

    def _task(self, point: FrontPoint) -> SearchTask:
        folder = self.options.folder / point.name.replace(" ", "-").replace("/", "s")
        state = open_state(folder, {"budget": self.options.latency, "minutes": self.options.minutes})
        state.entries.setdefault(point.name, {"measured": None, "images_per_s": None, "results": {}})
        return SearchTask(
            budget=self.budget,
            device=self.device,
            images=self.images,
            points={point.name: point},
            transfers={},
            state=state,
            seconds=0.0,
            val_fraction=0.0,
            max_drop=1.0,
            workers=1,
            seed=self.options.seed,
            progress=lambda *_: None,
            on_note=lambda note: print(note, file=sys.stderr, flush=True),
        )

    def _measured(self, task: SearchTask, point: FrontPoint) -> Figures:
        entry = task.state.entries[point.name]
        if entry["measured"] is None:
            path = task.folder(point.name, "untrained").with_suffix(".onnx")
            recipe = trial_recipe(task, point.name)
            write_untrained(
                recipe, self.images.learning, path, precision=point.candidate.precision, target=self.device.target
            )
            (figures,) = quiet_figures([path], device=self.device, expected=[point.predicted])
            entry["measured"] = figures._asdict()
            task.state.save()
        return Figures(**entry["measured"])


if __name__ == "__main__":
    main()

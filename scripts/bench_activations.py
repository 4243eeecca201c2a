"""Measure what EfficientNet-B0 loses with activations that are faster in int8 than its SiLU.

    python scripts/bench_activations.py DATA [--images 16000] [--epochs 10] [--further 2] [--work FOLDER]

DATA is a data set as of `edgekit train`, with a val split. One network is trained with SiLU, by the recipe in `models/`
but for the images and epochs. It is then quantized with each of the other activations, first with its own weights, then
after further training with the recipe of `efficientnet_b0_relu6-cifar10`, which SiLU itself gets too. Every int8 model
is compared with the SiLU network in float32, as by `edgekit quantize --against`, on the val images, which take part in
no choice. Finished trainings in --work are not repeated, interrupted ones are resumed.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.export import to_onnx
from edgekit.quantize import Gate, Trial, quantize, scheme_named, target_named
from edgekit.train import Checkpoint, Recipe, train
from edgekit.train.recipe import read_values

MODELS = Path(__file__).parents[1] / "models"
_PLACES = 9  # the stem, seven stages and the last layer
FORMS: dict[str, str | list[str]] = {
    "SiLU": "silu",
    "hard-swish": "hard_swish",
    **{
        f"ReLU6 in the stem and {stages} stages": ["relu6"] * (1 + stages) + ["silu"] * (_PLACES - 1 - stages)
        for stages in (2, 3, 4)
    },
    "ReLU6": "relu6",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--images", type=int, default=16_000, help="training images")
    parser.add_argument("--epochs", type=int, default=10, help="of the network with SiLU")
    parser.add_argument("--further", type=int, default=2, help="epochs of further training of each form")
    parser.add_argument("--samples", type=int, default=100, help="calibration images")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bench_activations")
    options = parser.parse_args()
    training, validation = dataset.read_both(options.data)
    comparison = Comparison(training.sample(options.images, seed=0), validation, options)
    print(f"SiLU, float32: {100 * comparison.base.state['val_accuracy']:.2f}% of {len(validation)} val images")
    print("| activation, int8 | own weights | drop (95%) | trained further | drop (95%) |\n|---|---|---|---|---|")
    for name, activation in FORMS.items():
        run = name.replace(" ", "-")
        trials = comparison.own_weights(run, activation), comparison.trained_further(run, activation)
        print(f"| {name} | {' | '.join(map(cells, trials))} |", flush=True)


class Comparison:
    """The images, and the network with SiLU that all forms begin with and are compared with. options: the program's."""

    def __init__(self, training: ImageSet, validation: ImageSet, options: argparse.Namespace) -> None:
        self.training, self.validation, self.options = training, validation, options
        options.work.mkdir(parents=True, exist_ok=True)
        recipe = self._recipe("efficientnet_b0-cifar10", epochs=options.epochs)
        self.base = self._trained(recipe, "original")
        self.original = self._exported(self.base, "original")

    def own_weights(self, name: str, activation: str | list[str]) -> Trial:
        """Quantize the network with another activation and the same weights."""
        arguments = {**self.base.recipe.arguments, "activation": activation}
        recipe = dataclasses.replace(self.base.recipe, arguments=arguments)
        return self._quantized(dataclasses.replace(self.base, recipe=recipe), name)

    def trained_further(self, name: str, activation: str | list[str]) -> Trial:
        """Quantize the network after further training with another activation."""
        weights = str(self.options.work / "original" / "model.safetensors")
        recipe = self._recipe(
            "efficientnet_b0_relu6-cifar10",
            epochs=self.options.further,
            weights=weights,
            arguments={"activation": activation},
        )
        run = f"further-{name}"
        return self._quantized(self._trained(recipe, run), run)

    def _recipe(self, model: str, *, epochs: int, **changes: Any) -> Recipe:
        values = read_values(MODELS / model / "recipe.toml") | changes
        values["optimize"]["epochs"] = epochs
        return Recipe.from_dict(values)

    def _trained(self, recipe: Recipe, name: str) -> Checkpoint:
        run = self.options.work / name
        epochs = recipe.optimize.epochs
        return train(recipe, self.training, self.validation, run=run, resume=True, evaluate_every=epochs)

    def _exported(self, checkpoint: Checkpoint, name: str) -> Path:
        path: Path = self.options.work / f"{name}.onnx"
        to_onnx(checkpoint.network(), path, preprocess=checkpoint.recipe.preprocess, labels=checkpoint.classes)
        return path

    def _quantized(self, checkpoint: Checkpoint, name: str) -> Trial:
        return quantize(
            self._exported(checkpoint, name),
            self.options.work / f"{name}-int8.onnx",
            calibration=self.training.sample(self.options.samples, seed=0),
            held_out=self.validation,
            against=self.original,
            schemes=[scheme_named("int8")],
            target=target_named("x86-vnni"),
            gate=Gate(max_drop=100.0, min_speedup=0.0),
            allow_worse=True,
        )


def cells(trial: Trial) -> str:
    """The accuracy of an int8 model, and its drop from the float32 network with SiLU, in percentage points."""
    child, loss = trial.result.child, trial.judgment.loss
    assert child is not None, "the images have no labels"
    return f"{100 * child.value:.2f}% | {loss.value:+.2f} ({loss.low:+.2f} to {loss.high:+.2f})"


if __name__ == "__main__":
    main()

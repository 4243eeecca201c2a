"""Rebuild a built-in model from its data: train, export, quantize, and write its card.

    python scripts/rebuild_model.py lenet5-mnist --data mnist/

If the recipe learns from a teacher, the recipe of the teacher lies beside it as teacher.toml and is trained first.
Rerun the same command to resume an interrupted run. With --checkpoint, a finished run is used instead of training.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from edgekit.bundle.model_card import read_about, write_card

MODELS = Path(__file__).parents[1] / "models"
LICENSE = "Apache-2.0"


def run_edgekit(*arguments: str | Path) -> None:
    """Run an edgekit command as a user would type it. If it fails, it has said why, and this program ends as it did."""
    command = [sys.executable, "-m", "edgekit", *map(str, arguments)]
    print("$ edgekit", *map(str, arguments), flush=True)
    if status := subprocess.run(command).returncode:
        sys.exit(status)


def train(recipe: Path, run: Path, data: Path, device: str, *options: str | Path) -> Path:
    """Train a recipe, or resume its run. Returns the checkpoint."""
    run_edgekit("train", data, "--recipe", recipe, "--run", run, "--resume", "--device", device, *options)
    return run / "model.safetensors"


def teacher(folder: Path, run: Path, data: Path, device: str) -> Path:
    """Train and export the teacher of a model, unless an earlier call has. Returns its file."""
    exported = run / "teacher.onnx"
    if not exported.exists():
        checkpoint = train(folder / "teacher.toml", run / "teacher", data, device)
        run_edgekit("export", checkpoint, "--images", data, "--no-temperature", "-o", exported)
    return exported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(path.parent.name for path in MODELS.glob("*/about.toml")))
    parser.add_argument("--data", type=Path, required=True, help="the data set of the recipe")
    parser.add_argument("--run", type=Path, help="folder of the training run (default: runs/NAME)")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint of a finished run of this recipe")
    parser.add_argument("--epochs", help="number of epochs, if not the recipe's")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    folder, run = MODELS / args.name, args.run or Path("runs") / args.name
    if not args.checkpoint:
        options: list[str | Path] = ["--epochs", args.epochs] if args.epochs else []
        if (folder / "teacher.toml").exists():
            options += ["--teacher", teacher(folder, run, args.data, args.device)]
        args.checkpoint = train(folder / "recipe.toml", run, args.data, args.device, *options)
    float32, int8 = folder / f"{args.name}.onnx", folder / f"{args.name}-int8.onnx"
    # Without temperatures: the accuracy of the card is that of all test images.
    plain = "--no-temperature"
    run_edgekit("export", args.checkpoint, "--images", args.data, plain, "--license", LICENSE, "-o", float32)
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in read_about(folder)["quantize"].items()]
    run_edgekit("quantize", float32, "--calibration", args.data, plain, *settings, "-o", int8)
    print("wrote", write_card(folder))


if __name__ == "__main__":
    main()

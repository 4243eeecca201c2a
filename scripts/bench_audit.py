"""Measure `edgekit data`: flipped labels found, near duplicates found, and false alarms, on the shared data sets.

    python scripts/bench_audit.py [--shared ../shared] [--images 10000] [--model NAME] [--peers] [--cache FOLDER]

Labels are flipped to another class at random, in 3% of the images, with three seeds; the network runs once. With
--peers, scikit-learn's cross-validated LogisticRegression ranks the same features, and cleanlab its predictions, if
they are installed. Copies of photos are re-encoded, resized, mirrored, cropped at random places, and searched for among
all photos and CIFAR-10.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from edgekit import Classifier, dataset, load_image
from edgekit.audit.cross_validation import assign_folds, judge_classes, principal_components
from edgekit.audit.label_issues import rank_classes
from edgekit.audit.near_duplicates import find_near_duplicates
from edgekit.audit.survey import survey_images
from edgekit.dataset import ImageSet
from edgekit.hub.model_files import PHOTO_MODEL

FLIPPED, TOP, SHOWN, SEEDS = 0.03, 0.05, 30, (0, 1, 2)
Features: TypeAlias = npt.NDArray[np.float32]
Labels: TypeAlias = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--model", default=PHOTO_MODEL)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    data = options.shared / "data"
    sets = {
        "cifar10": dataset.read(data / "cifar10-jpg.tar.gz", "train").sample(options.images, seed=0),
        "mnist": dataset.read(data / "mnist", "train").sample(options.images, seed=0),
        "hymenoptera": dataset.read(data / "hymenoptera", "all"),
    }
    thumbnails = {}
    for name, images in sets.items():
        features, thumbnails[name] = seen(name, images, options.model, options.cache)
        for seed in SEEDS:
            flips(name, features, np.array(images.labels), len(images.classes), seed=seed, peers=options.peers)
    copies(data / "imagenet-photos" / "images")
    for name, small in thumbnails.items():
        start = time.perf_counter()
        links = find_near_duplicates(small)
        cropped = sum(link.is_cropped for link in links)
        print(
            f"{name}: {len(links)} near duplicates in {len(small)} images, {cropped} of them crops, "
            f"{time.perf_counter() - start:.1f} s"
        )


def seen(name: str, images: ImageSet, model: str, cache: Path | None) -> tuple[Features, npt.NDArray[np.uint8]]:
    """The features and thumbnails of images, from the cache if they are there."""
    path = None if cache is None else cache / f"{name}-{len(images)}.npz"
    if path is not None and path.is_file():
        stored = np.load(path)
        return stored["features"], stored["thumbnails"]
    start = time.perf_counter()
    survey = survey_images({"all": images}, Classifier(model, threads=1))
    assert survey.features is not None
    print(f"{name}: {len(images)} images read in {time.perf_counter() - start:.0f} s")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, features=survey.features, thumbnails=survey.thumbnails)
    return survey.features, survey.thumbnails


def flips(name: str, features: Features, truth: Labels, classes: int, *, seed: int, peers: bool) -> None:
    """Flip labels, and print how many of the flips each way of ranking finds."""
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(truth), np.bool_)
    flipped[rng.choice(len(truth), round(FLIPPED * len(truth)), replace=False)] = True
    labels = truth.copy()
    labels[flipped] = (labels[flipped] + rng.integers(1, classes, flipped.sum())) % classes
    start = time.perf_counter()
    points = principal_components(features)
    folds = assign_folds(np.arange(len(labels)), labels, seed=0)
    judgment = judge_classes(points, labels, folds, classes=classes)
    issues = rank_classes(judgment.probabilities, labels, np.arange(len(labels)))
    suspicious = np.array([issue.image for issue in issues if issue.is_suspicious])
    order = np.array([issue.image for issue in issues])
    accuracy = (judgment.probabilities.argmax(axis=1) == truth).mean()
    facts = f"{len(suspicious)} suspicious, {flipped[suspicious].mean():.0%} of them flipped"
    show(name, seed, "edgekit", order, flipped, start, f"held-out accuracy {accuracy:.1%}; {facts}")
    for peer, rank in peer_rankings() if peers else ():
        start = time.perf_counter()
        show(name, seed, peer, rank(features, labels), flipped, start, "")


def show(
    name: str, seed: int, method: str, order: Labels, flipped: npt.NDArray[np.bool_], start: float, facts: str
) -> None:
    found = flipped[order[: round(TOP * len(order))]].sum() / flipped.sum()
    print(
        f"{name} seed {seed} {method}: {found:.1%} of the flips in the top {TOP:.0%}, "
        f"{flipped[order[:SHOWN]].sum()} of the top {SHOWN}; {time.perf_counter() - start:.1f} s; {facts}"
    )


def peer_rankings() -> Iterator[tuple[str, Callable[[Features, Labels], Labels]]]:
    """scikit-learn's predictions ranked by cleanlab, if both are installed."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    for strength in (1e-3, 1e-2):
        for method in ("self_confidence", "normalized_margin"):

            def rank(features: Features, labels: Labels, strength: float = strength, method: str = method) -> Labels:
                scaled = (features - features.mean(axis=0)) / features.std(axis=0)
                folds = StratifiedKFold(5, shuffle=True, random_state=0)
                model = LogisticRegression(C=strength, max_iter=300)
                predictions = cross_val_predict(model, scaled, labels, cv=folds, method="predict_proba")
                return np.argsort(get_label_quality_scores(labels, predictions, method=method), kind="stable")

            yield f"LogisticRegression(C={strength}) + cleanlab {method}", rank


def copies(folder: Path) -> None:
    """Change copies of photos, and print how many are found, and how many other pairs."""
    photos = [load_image(path).pixels for path in dataset.read_unlabeled(folder)]
    rng = np.random.default_rng(0)
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {
        "JPEG quality 30": lambda image: encoded(image, 30),
        "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
        "squashed to 224x224": lambda image: image.resize((224, 224)),
        "mirrored": ImageOps.mirror,
        "30% brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
        "gray": lambda image: image.convert("L"),
        "5% cropped": lambda image: cropped(image, 0.05, rng),
        "10% cropped": lambda image: cropped(image, 0.1, rng),
        "20% cropped": lambda image: cropped(image, 0.2, rng),
        "mirrored, 7% cropped, JPEG quality 50": lambda i: encoded(cropped(ImageOps.mirror(i), 0.07, rng), 50),
        "rotated by 3 degrees": lambda image: image.rotate(3, Image.Resampling.BICUBIC),
        "square cut out of the center": lambda image: ImageOps.fit(image, (224, 224)),
    }
    originals = thumbnails_of(photos)
    for name, change in changes.items():
        links = find_near_duplicates(np.concatenate([originals, thumbnails_of([change(photo) for photo in photos])]))
        found = sum(link.second - link.first == len(photos) for link in links)
        print(f"{name}: {found} of {len(photos)} found, {len(links) - found} other pairs")


def encoded(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data)


def cropped(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """The image without a share of its height and width, cut off at random sides."""
    width, height = (round(side * (1 - share)) for side in image.size)
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def thumbnails_of(photos: list[Image.Image]) -> npt.NDArray[np.uint8]:
    names = tuple(map(str, range(len(photos))))
    images = ImageSet((), [np.asarray(photo.convert("RGB")) for photo in photos], names, (0,) * len(photos))
    return survey_images({"all": images}, None).thumbnails


if __name__ == "__main__":
    main()

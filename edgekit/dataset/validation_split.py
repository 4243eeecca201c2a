"""Drawing validation images from a data set that has none of its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.dataset.listing import Entry, Listing
from edgekit.errors import DataError, quote
from edgekit.shards.record import ShardImage


def draw_validation(
    root: Path | str, listing: Listing, entries: Sequence[Entry], *, fraction: float, seed: int
) -> tuple[list[Entry], list[Entry]]:
    """Split into training and validation images: the same share of each class, drawn from its images sorted by name.

    An image with several classes is drawn among those of the rarest of them, so that this one is in both halves; images
    without a class are drawn among themselves. Both halves are sorted by class and name, those of shards as they lie
    there, so that one shard is read after the other.

    Args:
        root: the data set, for messages.
        listing: the data set; its task matters.
        entries: the images to split.
        fraction: share of each class, above 0 to 1; at least one image.
        seed: same seed, same validation images.

    Raises:
        DataError: a class has only one image.
    """
    counts = Counter(key for entry in entries for key in entry.class_keys)
    by_class: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.name):
        by_class[min(entry.class_keys, key=lambda key: (counts[key], key), default="")].append(entry)
    training: list[Entry] = []
    validation: list[Entry] = []
    for number, key in enumerate(sorted(by_class)):
        members = by_class[key]
        if len(members) < 2 and listing.task == "single-label":
            raise DataError(f"{root}: class {quote(key)} has only one image; training and validation need one each")
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        drawn = set(np.random.default_rng((seed, number)).permutation(len(members))[:count].tolist())
        for position, entry in enumerate(members):
            (validation if position in drawn else training).append(entry)
    if any(isinstance(entry.source, ShardImage) for entry in entries):
        places = {entry.name: place for place, entry in enumerate(entries)}
        for half in (training, validation):
            half.sort(key=lambda entry: places[entry.name])
    return training, validation

"""One pass over all images of a data set: what each file is, its thumbnail, and what a network sees in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgekit.dataset import ImageSet, Unreadable
from edgekit.errors import ImageError
from edgekit.image.load import LoadedImage, OpenedImage, open_image
from edgekit.image.size import Size
from edgekit.image.source import ImageSource
from edgekit.preprocess.crops import plan_named
from edgekit.runtime.bulk import overlapped, worker_count
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.decoding import enough_for

SIDE = 32  # pixels of a thumbnail in each direction
_ARRAY = "array"  # the format of images that are not encoded
# Above this number, logits are projected: of 50,000 images, 2,048 take 400 MB.
_MOST_FEATURES, _PROJECTED = 2048, 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survey:
    """What was seen of the images of a data set.

    Attributes:
        images: the readable images of all splits, one split after the other.
        splits: name of the split of each image.
        unreadable: names of the other images, each with the reason.
        sizes: int64 (N, 2), upright height and width in pixels.
        formats: format of each file, such as "JPEG"; "array" for images that are not encoded.
        modes: Pillow's color mode of each file, such as "RGB".
        thumbnails: uint8 (N, 32, 32), gray, the whole image squashed.
        features: float32 (N, features), the network's logits; None without a network.
    """

    images: ImageSet
    splits: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    sizes: npt.NDArray[np.int64]
    formats: tuple[str, ...]
    modes: tuple[str, ...]
    thumbnails: npt.NDArray[np.uint8]
    features: npt.NDArray[np.float32] | None


class _Seen(NamedTuple):
    size: Size
    format: str
    mode: str
    thumbnail: npt.NDArray[np.uint8]
    features: npt.NDArray[np.float32] | None


def survey_images(
    splits: Mapping[str, ImageSet],
    classifier: Classifier | None,
    *,
    threads: int | None = None,
    on_image: Callable[[], None] = lambda: None,
) -> Survey:
    """Read every image once, several at a time.

    Args:
        splits: the images by split, all with the same classes.
        classifier: the network whose logits serve as features; None for no features.
        threads: number of images in work at a time; by default the available threads.
        on_image: called after each image.

    Raises:
        ArtifactError: the network fails.
    """
    images, names = _joined(splits)
    look = _Look(classifier)
    seen: list[_Seen] = []
    readable, unreadable = [], []
    for number, outcome in enumerate(overlapped(look, images.sources, workers=worker_count(threads, images.sources))):
        if isinstance(outcome, ImageError):
            unreadable.append(Unreadable(images.names[number], str(outcome)))
        else:
            readable.append(number)
            seen.append(outcome)
        on_image()
    features = [one.features for one in seen if one.features is not None]
    return Survey(
        images=images.subset(readable),
        splits=tuple(names[number] for number in readable),
        unreadable=tuple(unreadable),
        sizes=np.array([one.size for one in seen], np.int64).reshape(-1, 2),
        formats=tuple(one.format for one in seen),
        modes=tuple(one.mode for one in seen),
        thumbnails=np.array([one.thumbnail for one in seen], np.uint8).reshape(-1, SIDE, SIDE),
        features=np.stack(features) if features else None,
    )


def _joined(splits: Mapping[str, ImageSet]) -> tuple[ImageSet, list[str]]:
    """The images of all splits as one set, and the split of each image."""
    parts = list(splits.values())
    sets = [part.label_sets for part in parts if part.label_sets is not None]
    joined = ImageSet(
        parts[0].classes,
        [source for part in parts for source in part.sources],
        tuple(name for part in parts for name in part.names),
        tuple(label for part in parts for label in part.labels),
        tuple(labels for part in sets for labels in part) if sets else None,
    )
    return joined, [name for name, part in splits.items() for _ in range(len(part))]


class _Look:
    """Looks at one image; may be called by several threads."""

    def __init__(self, classifier: Classifier | None) -> None:
        self._classifier = classifier
        self._projection = None if classifier is None else _projection(len(classifier.labels))

    def __call__(self, source: ImageSource) -> _Seen | ImageError:
        try:
            opened = open_image(source)
            mode, file_format = opened.image.mode, opened.image.format or _ARRAY  # before they are decoded
            loaded = opened.decode("RGB", min_size=self._enough(opened))
        except ImageError as error:
            error.__traceback__ = error.__context__ = None  # its frames refer to the image's bytes
            return error
        return _Seen(opened.size, file_format, mode, _thumbnail(loaded), self._features(loaded))

    def _enough(self, opened: OpenedImage) -> Size | None:
        """The size that a thumbnail and the network's view need; None for all pixels."""
        least = Size(2 * SIDE, 2 * SIDE)
        if self._classifier is None:
            return least
        spec = self._classifier.info.preprocess
        if not spec.antialiased:
            return None
        seen = enough_for(plan_named("center").views(opened.size, spec))
        return Size(max(least.height, seen.height), max(least.width, seen.width))

    def _features(self, loaded: LoadedImage) -> npt.NDArray[np.float32] | None:
        if self._classifier is None:
            return None
        spec = self._classifier.info.preprocess
        logits = self._classifier.logits(spec.pixels(loaded.in_color(spec.color), whole=False))[0]
        return logits if self._projection is None else np.asarray(logits @ self._projection)


def _projection(classes: int) -> npt.NDArray[np.float32] | None:
    """A random projection, which nearly keeps distances (Johnson and Lindenstrauss 1984), if there are many logits."""
    if classes <= _MOST_FEATURES:
        return None
    return np.random.default_rng(0).standard_normal((classes, _PROJECTED), np.float32) / np.float32(_PROJECTED**0.5)


def _thumbnail(loaded: LoadedImage) -> npt.NDArray[np.uint8]:
    gray = loaded.pixels.convert("L")
    return np.asarray(gray.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=loaded.frame.box))

"""What can be chosen about a training.

Each field is declared once and has the same name in recipe.toml, in Python and on the command line; that is why nothing
heavy is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from edgekit.errors import SpecError, unknown
from edgekit.train.field_types import check_field_types

_Value = TypeVar("_Value")


def setting(default: _Value, help: str) -> _Value:
    """A dataclass field with this default, which the command line offers with this line of help."""
    return field(default=default, metadata={"help": help})


TUNES = ("scratch", "head", "partial", "full")
OPTIMIZERS = ("sgd", "adamw", "rmsprop")
SCHEDULES = ("cosine", "step", "constant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The top of a recipe: what is started from, what of it learns, which images count.

    weights: None starts from random initialization. unfreeze: for tune "partial", the names of the stages that are
    trained, or how many of the last ones.
    """

    weights: str | None = setting(None, "Weights to start from: imagenet, or a .safetensors or .pth file.")
    tune: str = setting("scratch", "What learns: head, partial, full (all three need weights) or scratch.")
    unfreeze: int | tuple[str, ...] = setting(3, "For tune partial: names of stages, or how many of the last.")
    precision: Literal["float32", "bfloat16"] = setting(
        "float32", "Of the forward pass: float32, or bfloat16 autocast."
    )
    seed: int = setting(0, "Of initialization, order, augmentation and the val split.")
    val_fraction: float = setting(
        0.0, "Share of each class that is kept for val, where the data has no val of its own."
    )
    max_bad: int = setting(0, "How many unreadable images of train, and of val, are left out before it is an error.")

    def __post_init__(self) -> None:
        check_field_types(self)
        if not isinstance(self.unfreeze, int):
            object.__setattr__(self, "unfreeze", tuple(self.unfreeze))
        check_name("tune", self.tune, TUNES)
        check_name("precision", self.precision, ("float32", "bfloat16"))
        if not 0 <= self.val_fraction < 1:
            raise SpecError(f"val_fraction must lie in [0, 1), not {self.val_fraction}")
        for name in ("max_bad", "seed"):
            if not 0 <= getattr(self, name) < 2**63:
                raise SpecError(f"{name} must lie in [0, 2^63), not {getattr(self, name)}")
        if (self.tune == "scratch") != (self.weights is None):
            raise SpecError(
                f"tune {self.tune!r} and weights {self.weights!r} do not go together: scratch starts from nothing; "
                f"head, partial and full start from weights"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimize:
    """How the weights are moved: optimizer, schedule, averages.

    Weight decay is laid on convolution and linear weights only, never on norms or biases.
    """

    epochs: int = setting(20, "Passes over the images.")
    batch_size: int = setting(128, "Images in one step, over all processes together.")
    optimizer: str = setting("sgd", "sgd (Nesterov momentum), adamw or rmsprop (MobileNet, EfficientNet).")
    learning_rate: float = setting(0.1, "The peak of the schedule.")
    momentum: float = setting(0.9, "Of sgd and rmsprop; adamw's first beta.")
    weight_decay: float = setting(5e-4, "Of convolution and linear weights; norms and biases have none.")
    schedule: str = setting("cosine", "After the warmup: cosine (to 0), step or constant.")
    warmup_epochs: float = setting(1.0, "Epochs of linear warmup from 0.")
    step_every: float = setting(30.0, "Epochs between the steps of schedule step.")
    step_factor: float = setting(0.1, "What each step multiplies the rate by.")
    restarts: tuple[float, ...] = setting((), "Epochs at which schedule cosine begins again.")
    restart_factor: float = setting(1.0, "What each restart multiplies the peak by.")
    backbone_rate: float = setting(1.0, "Rate of the backbone's stages, as a share of the head's.")
    layer_decay: float = setting(1.0, "Further share for each stage that a stage lies below the last.")
    label_smoothing: float = setting(0.0, "Share of the target spread over all classes.")
    ema_decay: float = setting(
        0.0, "Of the averaged weights that are evaluated and exported; 0: the weights themselves."
    )
    clip_norm: float = setting(0.0, "Largest norm of all gradients together; 0: unlimited.")
    patience: int = setting(0, "Stop after so many epochs without a better val accuracy and keep the best; 0: never.")

    def __post_init__(self) -> None:
        check_field_types(self)
        if self.epochs < 1 or self.batch_size < 1:
            raise SpecError(f"epochs ({self.epochs}) and batch_size ({self.batch_size}) must be at least 1")
        object.__setattr__(self, "restarts", tuple(float(epoch) for epoch in self.restarts))
        bounds = [self.warmup_epochs, *self.restarts, self.epochs]
        if self.restarts and bounds != sorted(set(bounds)):
            raise SpecError(
                f"restarts {list(self.restarts)} must rise from the warmup's end ({self.warmup_epochs}) to below the "
                f"epochs ({self.epochs})"
            )
        for name in ("learning_rate", "step_every", "step_factor", "restart_factor", "backbone_rate", "layer_decay"):
            if not getattr(self, name) > 0:
                raise SpecError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("momentum", "label_smoothing", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        for name in ("weight_decay", "warmup_epochs", "clip_norm", "patience"):
            if not getattr(self, name) >= 0:
                raise SpecError(f"{name} must not be below 0, but is {getattr(self, name)}")
        check_name("optimizer", self.optimizer, OPTIMIZERS)
        check_name("schedule", self.schedule, SCHEDULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """What is done to a training image, in this order; mixup and cutmix then join two images of a batch.

    crop_scale: smallest and largest share of the image's area; the box of random shape is stretched to the crop
    (Szegedy et al. 2014, arXiv 1409.4842, section 6). Without it, the crop is cut at a random place of the resized and
    padded image. progressive: (from this share of the epochs, crop height and width) pairs: small crops cost less
    and come first (Tan and Le 2021, arXiv 2104.00298, section 4.2).
    """

    crop_scale: tuple[float, float] | tuple[()] = setting(
        (), "Random resized crop: least and largest share of the area."
    )
    crop_padding: int = setting(0, "Random crop: black pixels around the resized image before it is cut.")
    progressive: tuple[tuple[float, int], ...] = setting((), "Crops by progress: [[0.0, 24], [0.5, 28], [0.7, 32]].")
    mirror: bool = setting(False, "Mirror left-right by a coin.")
    rotate: float = setting(0.0, "Rotation of up to so many degrees either way.")
    shear: float = setting(0.0, "Shear of up to so many degrees either way.")
    color: float = setting(0.0, "Brightness, contrast, saturation: each times a factor in [1 - color, 1 + color].")
    hue: float = setting(0.0, "Hue shift of up to this share of the circle (at most 0.5).")
    pca_color: float = setting(0.0, "Color noise along the training images' principal axes: AlexNet's has 0.1.")
    erase: float = setting(0.0, "Probability that a rectangle is overwritten with noise.")
    mixup: float = setting(0.0, "Mixup of two images, their share drawn from Beta(mixup, mixup).")
    cutmix: float = setting(0.0, "Cutmix of two images, the box's share drawn from Beta(cutmix, cutmix).")
    feature_copies: int = setting(0, "For --tune head: augmented copies that are cached; 0: the plain image.")

    def __post_init__(self) -> None:
        check_field_types(self)
        object.__setattr__(self, "progressive", tuple((float(share), int(px)) for share, px in self.progressive))
        object.__setattr__(self, "crop_scale", tuple(float(share) for share in self.crop_scale))
        if self.crop_padding < 0 or not 0 <= self.color < 1:
            raise SpecError(f"crop_padding {self.crop_padding} must be >= 0 and color {self.color} in [0, 1)")
        if not 0 <= self.hue <= 0.5 or not 0 <= self.erase <= 1:
            raise SpecError(f"hue {self.hue} must lie in [0, 0.5] and erase {self.erase} in [0, 1]")
        if list(self.progressive) != sorted(self.progressive):
            raise SpecError(f"progressive must be in order of its shares: {self.progressive}")
        for name in ("rotate", "shear", "pca_color", "mixup", "cutmix", "feature_copies"):
            if not getattr(self, name) >= 0:
                raise SpecError(f"{name} must not be below 0, but is {getattr(self, name)}")
        if self.shear >= 90:
            raise SpecError(f"shear must be below 90 degrees, not {self.shear}")
        self._check_crops()

    def _check_crops(self) -> None:
        if not self.crop_scale:
            return
        if len(self.crop_scale) != 2 or not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise SpecError(f"crop_scale must be two rising shares in (0, 1], not {list(self.crop_scale)}")
        if self.crop_padding:
            raise SpecError("crop_scale and crop_padding are two kinds of random crop; give one of them")


def check_name(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise SpecError(unknown(kind, str(name), known))

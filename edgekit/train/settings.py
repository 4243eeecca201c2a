"""The settings of a training run, each with its default and its help text.

Each field is declared once and has the same name in recipe.toml, in Python and on the command line. Nothing heavy is
imported here, because `edgekit train --help` reads this module.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from edgekit.errors import SpecError, quote
from edgekit.train.field_types import check_each, check_field_types, check_name

_Value = TypeVar("_Value")


def setting(default: _Value, help: str, *, default_text: str | None = None) -> _Value:
    """A dataclass field with a default and a help text.

    Args:
        default: the default value.
        help: one line for `edgekit train --help`; it may name flags.
        default_text: shown as the default if that is not `default` in every recipe.

    Returns:
        The field, typed as its value so that the class body reads like a plain dataclass.
    """
    return dataclasses.field(default=default, metadata={"help": help, "default_text": default_text})


TUNES = ("scratch", "head", "partial", "full")
OPTIMIZERS = ("sgd", "adamw", "rmsprop")
SCHEDULES = ("cosine", "step", "constant")
PRECISIONS = ("float32", "bfloat16")
BALANCES = ("none", "loss", "sampler")
MONITORS = ("top1", "macro-recall", "map", "loss")
KEPT = ("best", "last")
SOLVERS = ("lbfgs", "sgd")

# Transfer learning needs few epochs and small learning rates.
_FINE_TUNING: Mapping[str, Mapping[str, Any]] = {
    "optimize": {
        "epochs": 6,
        "batch_size": 32,
        "optimizer": "adamw",
        "learning_rate": 5e-4,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "ema_decay": 0.9,  # averages over some ten steps: fine-tuning has few
        "head_start": True,
    },
    "augment": {"crop_scale": (0.4, 1.0)},
}
# What `tune` changes in the defaults of [optimize] and [augment].
TUNE_DEFAULTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "scratch": {"optimize": {}, "augment": {}},
    "head": {
        "optimize": {"epochs": 40, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 1e-3, "warmup_epochs": 0},
        "augment": {},
    },
    "partial": _FINE_TUNING,
    "full": _FINE_TUNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The top level of a recipe: initial weights, which parameters are trained, which images are used.

    Each field is described by its help text, which `edgekit train --help` prints. Values are checked on construction.

    Raises:
        SpecError: a value has the wrong type or is out of range, or `tune` and `weights` contradict each other.
    """

    weights: str | None = setting(None, "Pretrained weights to start from: imagenet, or a .safetensors or .pth file.")
    tune: str = setting(
        "scratch", "Which parameters to train: head, partial or full fine-tuning (need --weights), or scratch."
    )
    solver: str | None = setting(
        None,
        "With --tune head: lbfgs solves for the optimal head, without epochs; sgd trains it by the optimizer.",
        default_text="lbfgs; sgd if an option of the optimizer is given",
    )
    unfreeze: int | tuple[str, ...] = setting(
        3, "With --tune partial: names of the stages to train, e.g. stage7,last, or how many of the last stages."
    )
    precision: Literal["float32", "bfloat16"] = setting(
        "float32", "Arithmetic of the forward pass: float32 or bfloat16 (autocast)."
    )
    seed: int = setting(0, "Random seed for initialization, image order, augmentation and the train/val split.")
    val_fraction: float = setting(
        0.0, "Share of each class to hold out for validation if the data has no val split, from 0 to below 1."
    )
    max_bad: int = setting(0, "Number of unreadable images to skip, in train and in val each, before it is an error.")
    balance: str = setting(
        "none", "Compensation for classes of unequal size: none, loss (weights) or sampler (small classes more often)."
    )
    balance_beta: float = setting(
        0.999, "With --balance: from 0 (all images weigh alike) to 1 (the weight of a class is 1 / its images)."
    )
    monitor: str | None = setting(
        None,
        "Figure on val that decides which epoch is best: top1, macro-recall, map or loss.",
        default_text="top1; several labels per image: map",
    )
    keep: str = setting("best", "Epoch whose weights are the result: best (by --monitor) or last.")

    def __post_init__(self) -> None:
        check_field_types(self)
        if not isinstance(self.unfreeze, int):
            object.__setattr__(self, "unfreeze", tuple(self.unfreeze))
        check_name("tune", self.tune, TUNES)
        check_name("precision", self.precision, PRECISIONS)
        self._check_solver()
        check_name("balance", self.balance, BALANCES)
        check_name("keep", self.keep, KEPT)
        if self.monitor is not None:
            check_name("monitor", self.monitor, MONITORS)
        check_each(self, ("balance_beta",), lambda value: 0 <= value <= 1, "from 0 to 1")
        check_each(self, ("val_fraction",), lambda value: 0 <= value < 1, "from 0 to below 1")
        check_each(self, ("max_bad", "seed"), lambda value: 0 <= value < 2**63, "from 0 to 2^63 - 1")
        if self.tune != "scratch" and self.weights is None:
            raise SpecError(f"`tune` {self.tune!r} starts from pretrained weights; set `weights` to imagenet or a file")
        if self.tune == "scratch" and self.weights is not None:
            raise SpecError(
                f"`tune` 'scratch' starts from random weights; leave out `weights` (got {quote(self.weights)}), or set "
                f"`tune` to head, partial or full"
            )

    def _check_solver(self) -> None:
        if self.solver is None:
            return
        check_name("solver", self.solver, SOLVERS)
        if self.tune != "head":
            raise SpecError(f"`solver` {self.solver!r} applies to `tune` head only (got {self.tune!r}); leave it out")
        if self.solver == "lbfgs" and self.precision != "float32":
            raise SpecError(f"`solver` 'lbfgs' computes in float32; leave out `precision` (got {self.precision!r})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimize:
    """The [optimize] section of a recipe: optimizer, learning rate schedule, weight average, early stopping.

    Each field is described by its help text, which `edgekit train --help` prints. Values are checked on construction.

    Raises:
        SpecError: a value has the wrong type or is out of range.
    """

    epochs: int = setting(20, "Number of passes over the training images.")
    batch_size: int = setting(128, "Images per optimizer step, over all processes together.")
    shuffle_shards: int = setting(
        16, "Data in shards: number of tar shards or Parquet row groups whose images are shuffled together."
    )
    optimizer: str = setting(
        "sgd",
        "Optimizer: sgd (Nesterov momentum), adamw or rmsprop (as in MobileNet and EfficientNet). Any but the default "
        "one needs --learning-rate.",
    )
    learning_rate: float = setting(0.1, "Peak learning rate, reached at the end of the warmup.")
    momentum: float = setting(0.9, "Momentum of sgd and rmsprop, beta1 of adamw; from 0 to below 1.")
    weight_decay: float = setting(5e-4, "Weight decay of convolution and linear weights; norms and biases have none.")
    schedule: str = setting("cosine", "Learning rate schedule after the warmup: cosine (to 0), step or constant.")
    warmup_epochs: float = setting(1.0, "Epochs of linear learning rate warmup from 0; may be a fraction.")
    step_every: float = setting(30.0, "With --schedule step: epochs between two steps.")
    step_factor: float = setting(0.1, "With --schedule step: factor of the learning rate at each step.")
    restarts: tuple[float, ...] = setting((), "With --schedule cosine: epochs at which it restarts, e.g. 20,40.")
    restart_factor: float = setting(1.0, "With --restarts: factor of the peak learning rate at each restart.")
    backbone_rate: float = setting(1.0, "Learning rate of the backbone relative to that of the head.")
    layer_decay: float = setting(1.0, "Further factor of the learning rate for each stage below the last one.")
    label_smoothing: float = setting(
        0.0, "Label smoothing: share of the target spread evenly over all classes, from 0 to below 1."
    )
    ema_decay: float = setting(
        0.0, "Decay of the moving average of the weights (EMA) that is evaluated and exported; 0 disables it."
    )
    clip_norm: float = setting(0.0, "Gradient clipping: largest norm of all gradients together; 0 disables it.")
    head_start: bool = setting(
        False,
        "With --tune partial or full: start from the head that --tune head would find; it counts as epoch 0, and batch "
        "norms keep their statistics.",
        default_text="on with --tune partial and full",
    )
    patience: int = setting(
        0, "Early stopping after N epochs that --monitor finds no better than the best one; 0 disables it."
    )

    def __post_init__(self) -> None:
        check_field_types(self)
        object.__setattr__(self, "restarts", tuple(float(epoch) for epoch in self.restarts))
        check_each(self, ("epochs", "batch_size", "shuffle_shards"), lambda value: value >= 1, "at least 1")
        bounds = [self.warmup_epochs, *self.restarts, self.epochs]
        if self.restarts and bounds != sorted(set(bounds)):
            raise SpecError(
                f"`restarts` must increase and lie between `warmup_epochs` ({self.warmup_epochs:g}) and `epochs` "
                f"({self.epochs}) (got {quote(list(self.restarts))})"
            )
        positive = ("learning_rate", "step_every", "step_factor", "restart_factor", "backbone_rate", "layer_decay")
        check_each(self, positive, lambda value: value > 0, "above 0")
        shares = ("momentum", "label_smoothing", "ema_decay")
        check_each(self, shares, lambda value: 0 <= value < 1, "from 0 to below 1")
        not_negative = ("weight_decay", "warmup_epochs", "clip_norm", "patience")
        check_each(self, not_negative, lambda value: value >= 0, "at least 0")
        check_name("optimizer", self.optimizer, OPTIMIZERS)
        check_name("schedule", self.schedule, SCHEDULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """The [augment] section of a recipe: random changes of a training image, applied in the order of the fields.

    Each field is described by its help text, which `edgekit train --help` prints. Values are checked on construction.

    crop_scale is the random resized crop of Szegedy et al. 2014 (arXiv 1409.4842, section 6): a box of random shape,
    stretched to the crop. Without it, the crop is cut at a random place of the resized and padded image. If the
    preprocessing squashes or letterboxes, both are cut from the squashed image, or the one with its border. progressive
    lists pairs of (share of the epochs, crop height and width in pixels): small crops cost less and come first (Tan and
    Le 2021, arXiv 2104.00298, section 4.2). mixup and cutmix combine two images of a batch.

    Raises:
        SpecError: a value has the wrong type or is out of range, or `crop_scale` and `crop_padding` are both given.
    """

    crop_scale: tuple[float, float] | tuple[()] = setting(
        (), "Random resized crop: smallest and largest share of the image area, above 0 to 1, e.g. 0.4,1.0."
    )
    crop_padding: int = setting(0, "Random crop: pixels of padding around the resized image, in the color --fill.")
    progressive: tuple[tuple[float, int], ...] = setting(
        (), "Progressive resizing: crop size in pixels from each share of the epochs on, e.g. [[0.0, 24], [0.5, 32]]."
    )
    mirror: bool = setting(False, "Random horizontal flip (p = 0.5).", default_text="on for color images")
    rotate: float = setting(0.0, "Random rotation by up to N degrees in either direction.")
    shear: float = setting(0.0, "Random shear by up to N degrees in either direction, below 90.")
    color: float = setting(
        0.0, "Color jitter: brightness, contrast and saturation factors from 1 - N to 1 + N, N from 0 to below 1."
    )
    hue: float = setting(0.0, "Random hue shift by up to this share of the color circle, from 0 to 0.5.")
    pca_color: float = setting(
        0.0, "PCA color noise: standard deviation relative to that of the training images' colors (AlexNet: 0.1)."
    )
    erase: float = setting(0.0, "Random erasing: probability that a rectangle is replaced by noise, from 0 to 1.")
    mixup: float = setting(0.0, "Mixup of two images: alpha of Beta(alpha, alpha), the weight's distribution.")
    cutmix: float = setting(0.0, "CutMix of two images: alpha of Beta(alpha, alpha), the area's distribution.")
    feature_copies: int = setting(
        0, "With --tune head: number of augmented copies of each image to cache; 0 caches the plain image."
    )

    def __post_init__(self) -> None:
        check_field_types(self)
        object.__setattr__(self, "progressive", tuple((float(share), int(px)) for share, px in self.progressive))
        object.__setattr__(self, "crop_scale", tuple(float(share) for share in self.crop_scale))
        not_negative = ("crop_padding", "rotate", "pca_color", "mixup", "cutmix", "feature_copies")
        check_each(self, not_negative, lambda value: value >= 0, "at least 0")
        check_each(self, ("color",), lambda value: 0 <= value < 1, "from 0 to below 1")
        check_each(self, ("hue",), lambda value: 0 <= value <= 0.5, "from 0 to 0.5")
        check_each(self, ("erase",), lambda value: 0 <= value <= 1, "from 0 to 1")
        check_each(self, ("shear",), lambda value: 0 <= value < 90, "from 0 to below 90 degrees")
        if list(self.progressive) != sorted(self.progressive):
            raise SpecError(f"`progressive` must be sorted by its shares (got {quote(self.progressive)})")
        self._check_crops()

    def _check_crops(self) -> None:
        if not self.crop_scale:
            return
        if len(self.crop_scale) != 2 or not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise SpecError(
                f"`crop_scale` must be two increasing shares above 0 and up to 1 (got {quote(list(self.crop_scale))})"
            )
        if self.crop_padding:
            raise SpecError("`crop_scale` and `crop_padding` are two kinds of random crop; choose one of them")


def default_text(section: str, field: dataclasses.Field[Any]) -> str:
    """The default of a setting as `--help` shows it, e.g. "20; head: 40; partial, full: 6".

    Args:
        section: the section of recipe.toml that has the setting; "" for the top level.
        field: the setting.
    """
    text: str | None = field.metadata["default_text"]
    if text is not None:
        return text
    tunes_by_value: dict[str, list[str]] = {}
    for tune, sections in TUNE_DEFAULTS.items():
        value = sections.get(section, {}).get(field.name, field.default)
        tunes_by_value.setdefault(_value_text(value), []).append(tune)
    usual = _value_text(field.default)
    others = [f"{', '.join(tunes)}: {value}" for value, tunes in tunes_by_value.items() if value != usual]
    return "; ".join((usual, *others))


def _value_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

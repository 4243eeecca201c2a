"""The options of `edgekit adopt`; those of its preprocessing default to what the model's configuration fixes."""

from __future__ import annotations

from edgekit.cli import shared_options as shared
from edgekit.cli.options import Argument, Option

_CONFIGURED = "from the configuration"
_FROM_MODEL = "read from the model"

MODEL = Argument(
    "ONNX classifier: a batch of images in, one value per class out; or the folder of one and its configuration.",
    metavar="FILE|FOLDER",
)
CONFIG = Option(
    "Configuration of the model, as transformers or timm write it: a JSON file, or a folder with such files.",
    metavar="FILE|FOLDER",
    default_text="what lies beside and inside the model",
)
PRESET = Option(
    "Preprocessing of a library: keras-caffe, keras-tf, keras-torch, keras-raw (0-255), or torchvision:WEIGHTS with a "
    "member of a weight enum (see the examples).",
    metavar="PRESET",
    default_text="none",
)
LABELS = Option(
    "Class names in the order of the model's outputs: a file (.txt, .json or .yaml), names separated by commas, or "
    "imagenet. For a model with one output: the negative and the positive class, or the positive one alone.",
    metavar="FILE|NAMES",
    default_text=_CONFIGURED,
)
MEAN = Option(
    "Per-channel mean the model expects (0-1 scale, RGB order), e.g. 0.5.", metavar="R,G,B", default_text=_CONFIGURED
)
STD = Option(
    "Per-channel standard deviation the model expects (0-1 scale); 0.00392157 keeps the 0-255 scale.",
    metavar="R,G,B",
    default_text=_CONFIGURED,
)
FIT = shared.FIT._replace(default_text=f"{_CONFIGURED}, or short-edge")
RESIZE = shared.RESIZE._replace(default_text=f"{_CONFIGURED}, or with another --fit the crop")
CROP = shared.CROP._replace(default_text=_FROM_MODEL)
OFFSET = Option(
    "Rounding of the center crop's offset: round (torchvision, timm) or floor (transformers).",
    default_text=f"{_CONFIGURED}, or round",
)
PAD = Option(
    "Border around the resized image in pixels.", metavar="PIXELS", least=0, default_text=f"{_CONFIGURED}, or 0"
)
FILL = shared.FILL._replace(default_text=f"{_CONFIGURED}, or 0")
INTERPOLATION = shared.INTERPOLATION._replace(default_text=f"{_CONFIGURED}, or bilinear")
RESAMPLER = shared.RESAMPLER._replace(default_text=f"{_CONFIGURED}, or pillow")
COLOR = Option(
    "Channel order the model expects; L is grayscale.", default_text=f"{_CONFIGURED}, or RGB, or L for one channel"
)
LAYOUT = Option("Axis order of the model's input.", default_text=_FROM_MODEL)
HEAD = Option(
    "Output of the model that has the scores, if it has several outputs.",
    metavar="NAME",
    default_text="the one that fits",
    argument="output",
)
OUTPUT_KIND = Option("Kind of the model's outputs: logits or probabilities.", metavar="KIND", default_text="detected")
TASK = Option(
    "Whether an image has exactly one of the labels or any number of them.",
    default_text=f"{_CONFIGURED}, or detected",
)
BACKGROUND_CLASS = Option(
    "Whether class 0 is an unlabeled background class.",
    default_text="inferred from the labels",
    argument="background",
)
NAME = Option("Name of the network.", default_text=f"{_CONFIGURED}, or the file name", argument="model")
LICENSE = shared.LICENSE._replace(default_text=f"{_CONFIGURED}, or unknown")
CALIBRATE = Option(
    "Labeled data set (at least 100 val images) to fit a temperature to, which calibrates the probabilities. "
    "If --images names the same data, a fifth of it is used.",
    metavar="DATA",
    default_text="none, so that the probabilities stay the model's",
    argument="temperature_images",
)

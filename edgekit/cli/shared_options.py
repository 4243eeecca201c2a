"""Options that several commands declare in the same way."""

from __future__ import annotations

from edgekit.cli.options import Option

_NETWORKS_OWN = "the network's"

THREADS = Option("Number of CPU threads.", least=1, default_text="all available cores")
PLOT = Option(
    "Also write a chart to this .png, .svg or .pdf file.", default_text="none", writes=(".png", ".svg", ".pdf")
)
TRUTH = Option("CSV file of file,label for a folder of unlabeled images.", default_text="none")
IMAGE_COLUMN = Option(
    "Column of the images in Parquet shards.", metavar="COLUMN", default_text="the only one that can be it"
)
LABEL_COLUMN = Option(
    "Column of the labels in Parquet shards.", metavar="COLUMN", default_text="the only one that can be it"
)
CLASS_NAMES = Option(
    "File with the names of the classes that have numbers in shards, one per line from 0.",
    default_text="those in the shards or in classes.txt beside them",
)
MODEL_OUTPUT = Option("Model file to write (.onnx).", flags=("--output", "-o"), writes=(".onnx",))

# How a network is built and what it expects of its input; by default as in `edgekit models`.
PADDING = Option("Padding, for networks that have the choice: symmetric or tf_same.", default_text=_NETWORKS_OWN)
ARGUMENT = Option(
    "Argument of the network, e.g. width_mult=0.5; may be repeated.",
    metavar="NAME=VALUE",
    default_text=_NETWORKS_OWN,
    argument="arguments",
)
MEAN = Option(
    "Per-channel mean to subtract (0-1 scale, RGB order), e.g. 0.485,0.456,0.406; one number for all channels.",
    metavar="R,G,B",
    default_text=_NETWORKS_OWN,
)
STD = Option(
    "Per-channel standard deviation to divide by (0-1 scale), e.g. 0.229,0.224,0.225; one number for all channels.",
    metavar="R,G,B",
    default_text=_NETWORKS_OWN,
)
FIT = Option(
    "How the whole image is resized: short-edge, squash (to --resize, changes the proportions), letterbox (inside "
    "--resize) or cover (covers --resize).",
    default_text=_NETWORKS_OWN,
)
RESIZE = Option(
    "Size of the resized image in pixels: its short edge, or with another --fit one number for a square, or H,W.",
    metavar="PIXELS",
    default_text=f"{_NETWORKS_OWN}; with another --fit the crop",
)
FILL = Option(
    "Color outside the image, from 0 to 255, e.g. 124,116,104; one number for all channels.",
    metavar="R,G,B",
    default_text=_NETWORKS_OWN,
)
CROP = Option("Input size in pixels: one number for a square, or H,W.", metavar="PIXELS", default_text=_NETWORKS_OWN)
INTERPOLATION = Option(
    "Resampling filter: nearest, box, bilinear, hamming, bicubic or lanczos.",
    metavar="FILTER",
    default_text=_NETWORKS_OWN,
)
RESAMPLER = Option(
    "Whose arithmetic resizes: pillow (antialiased), torch or tensorflow (both not antialiased).",
    default_text=_NETWORKS_OWN,
)

# What is written into the file.
LICENSE = Option("SPDX identifier of the weights' license, e.g. MIT.", metavar="SPDX", default_text="unknown")
FEATURES = Option("Add an output named features: the pooled vector before the last layer.")
ACTIVATION_MAPS = Option("Add an output named maps: an activation map per class, for heat maps.")
VERIFICATION_IMAGES = Option(
    "Labeled data set whose val images verify each step and measure the accuracy.",
    metavar="DATA",
    default_text="none",
)
NO_TEMPERATURE = Option(
    "Do not fit a temperature (multi-label: thresholds) to a fifth of the val images; it calibrates the probabilities."
)

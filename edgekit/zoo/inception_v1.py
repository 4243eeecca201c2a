"""Inception v1, also called GoogLeNet: Going Deeper with Convolutions (Szegedy et al. 2014, arXiv 1409.4842)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from edgekit.zoo.blocks import ConvNormAct, GlobalAveragePool, he_normal, named, relu
from edgekit.zoo.network import Network

# fmt: off
# Table 1 of the paper: the channels of the convolutions in each Inception module.
MODULES = {
    # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
    "3a": ( 64,     96,  128,     16,   32,  32),
    "3b": (128,    128,  192,     32,   96,  64),
    "4a": (192,     96,  208,     16,   48,  64),
    "4b": (160,    112,  224,     24,   64,  64),
    "4c": (128,    128,  256,     24,   64,  64),
    "4d": (112,    144,  288,     32,   64,  64),
    "4e": (256,    160,  320,     32,  128, 128),
    "5a": (256,    160,  320,     32,  128, 128),
    "5b": (384,    192,  384,     48,  128, 128),
}
# fmt: on
STEM = 192  # channels after conv2
FEATURES = 1024  # channels after 5b
_AUXILIARY = {"inception4a": 512, "inception4d": 528}  # channels of the stages with an auxiliary classifier


def inception_v1(
    *, classes: int = 1000, in_channels: int = 3, auxiliary: bool = False, dropout: float = 0.4
) -> Network:
    """Build the network of table 1 with the response norms of figure 3: 22 layers with weights, without batch norm.

    Accepts any input of 31x31 pixels or more, 79x79 with auxiliary classifiers. Where the paper gives no details:
    poolings round up, which gives the paper's sizes; He initialization; the constants of the response norms are
    Caffe's. Departure from the paper: the last pooling averages a grid of any size, not only 7x7, so that other input
    sizes work.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        auxiliary: add the two auxiliary classifiers of section 5, which help training.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.
    """
    unit = partial(ConvNormAct, norm=None)
    norm = partial(nn.LocalResponseNorm, 5, alpha=1e-4, beta=0.75, k=1.0)
    body = {
        # at 224x224:                                                                             112x112x64
        "conv1": unit(in_channels, 64, kernel=7, stride=2),
        "pool1": named({"pool": pool(3), "norm": norm()}),  #                                     56x56x64
        "conv2": named({"reduce": unit(64, 64, kernel=1), "filter": unit(64, STEM, kernel=3)}),  # 56x56x192
        "pool2": named({"norm": norm(), "pool": pool(3)}),  #                                     28x28x192
        **inception_stages(unit, five=5, last_pool=3),
        "pool": GlobalAveragePool(),
    }
    # Section 5: average pooling, 5x5 with stride 3, reduces the 14x14 grid of a 224x224 input to 4x4. The adaptive
    # pooling after it reduces other grids to 4x4 too.
    to_4x4 = nn.Sequential(nn.AvgPool2d(5, stride=3), nn.AdaptiveAvgPool2d(4))
    heads = auxiliary_heads(unit, to_4x4, classes=classes) if auxiliary else {}
    head = {"dropout": nn.Dropout(dropout), "fc": nn.Linear(FEATURES, classes)}
    return he_normal(Network(body, head, auxiliary=heads, smallest=79 if auxiliary else 31))


class Inception(nn.Module):
    """Four parallel branches, concatenated in this order: 1x1, 3x3, 5x5 and pooling (figure 2b of the paper).

    Args:
        in_channels: number of input channels.
        channels: output channels of the convolutions, in the order of table 1.
        unit: makes a convolution with its activation.
        five: height and width of the kernel of the 5x5 branch.
    """

    def __init__(
        self, in_channels: int, channels: tuple[int, int, int, int, int, int], *, unit: partial[ConvNormAct], five: int
    ) -> None:
        super().__init__()
        out_1x1, reduce_3x3, out_3x3, reduce_5x5, out_5x5, pool_proj = channels
        self.branch1x1 = unit(in_channels, out_1x1, kernel=1)
        self.branch3x3 = named(
            {"reduce": unit(in_channels, reduce_3x3, kernel=1), "filter": unit(reduce_3x3, out_3x3, kernel=3)}
        )
        self.branch5x5 = named(
            {"reduce": unit(in_channels, reduce_5x5, kernel=1), "filter": unit(reduce_5x5, out_5x5, kernel=five)}
        )
        self.branch_pool = named(
            {"pool": nn.MaxPool2d(3, stride=1, padding=1), "proj": unit(in_channels, pool_proj, kernel=1)}
        )
        self.out_channels = out_1x1 + out_3x3 + out_5x5 + pool_proj

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1x1(x), self.branch3x3(x), self.branch5x5(x), self.branch_pool(x)], 1)


def inception_stages(unit: partial[ConvNormAct], *, five: int, last_pool: int) -> dict[str, nn.Module]:
    """Build the body from 3a to 5b: 28x28x192 -> 7x7x1024 for a 224x224 input.

    Args:
        unit: makes a convolution with its activation.
        five: height and width of the kernels of the 5x5 branches.
        last_pool: height and width of the kernel of pool4.

    Returns:
        The stages by name.
    """
    stages: dict[str, nn.Module] = {}
    in_channels = STEM
    for name, channels in MODULES.items():
        module = Inception(in_channels, channels, unit=unit, five=five)
        stages[f"inception{name}"], in_channels = module, module.out_channels
        if name == "3b":
            stages["pool3"] = pool(3)
        if name == "4e":
            stages["pool4"] = pool(last_pool)
    return stages


def pool(kernel: int) -> nn.MaxPool2d:
    """Max pooling that halves height and width, rounding up."""
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)


def auxiliary_heads(unit: partial[ConvNormAct], to_4x4: nn.Module, *, classes: int) -> dict[str, nn.Module]:
    """Build the two auxiliary classifiers of section 5.

    Args:
        unit: makes a convolution with its activation.
        to_4x4: pooling that reduces their input to 4x4.
        classes: number of classes.

    Returns:
        The classifiers by the name of the stage whose output they read.
    """
    return {
        stage: named(
            {
                "pool": to_4x4,
                "conv": unit(channels, 128, kernel=1),
                "hidden": nn.Sequential(nn.Flatten(), nn.Linear(128 * 4 * 4, 1024), relu()),
                "dropout": nn.Dropout(0.7),
                "fc": nn.Linear(1024, classes),
            }
        )
        for stage, channels in _AUXILIARY.items()
    }

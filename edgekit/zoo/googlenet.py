"""GoogLeNet with batch norm: Inception v1 (Szegedy et al. 2014, arXiv 1409.4842) as its PyTorch weights are published.

Batch norm: Ioffe and Szegedy 2015, arXiv 1502.03167.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from edgekit.zoo.blocks import ConvNormAct, GlobalAveragePool, named
from edgekit.zoo.inception_v1 import FEATURES, MODULES, STEM, auxiliary_heads, inception_stages, pool
from edgekit.zoo.network import Network


def googlenet(*, classes: int = 1000, in_channels: int = 3, auxiliary: bool = False, dropout: float = 0.2) -> Network:
    """Any input of 15x15 or more. auxiliary: with the two classifiers that help training.

    Departures from the paper, all of the published form: batch norm after every convolution, no biases and no response
    norms; the "5x5" branch has 3x3 kernels, a mistake in porting that its weights have learned with; the last maximum
    pooling is 2x2, not 3x3; the auxiliary classifiers average their grid to 4x4 in even shares; dropout 20%, not 40%.
    """
    unit = partial(ConvNormAct, norm=partial(nn.BatchNorm2d, eps=1e-3))
    body = {
        # at 224x224:                                                                             112x112x64
        "conv1": unit(in_channels, 64, kernel=7, stride=2),
        "pool1": pool(3),  #                                                                      56x56x64
        "conv2": named({"reduce": unit(64, 64, kernel=1), "filter": unit(64, STEM, kernel=3)}),  # 56x56x192
        "pool2": pool(3),  #                                                                      28x28x192
        **inception_stages(unit, five=3, last_pool=2),
        "pool": GlobalAveragePool(),
    }
    heads = auxiliary_heads(unit, nn.AdaptiveAvgPool2d(4), classes=classes) if auxiliary else {}
    head = {"dropout": nn.Dropout(dropout), "fc": nn.Linear(FEATURES, classes)}
    return Network(body, head, auxiliary=heads, smallest=15)


def published_keys() -> dict[str, str]:
    """Module paths of torchvision's layout, each with ours, the auxiliary classifiers included."""
    units = {"conv1": "body.conv1", "conv2": "body.conv2.reduce", "conv3": "body.conv2.filter"}
    for name in MODULES:
        theirs, ours = f"inception{name}", f"body.inception{name}"
        units |= {f"{theirs}.branch1": f"{ours}.branch1x1", f"{theirs}.branch4.1": f"{ours}.branch_pool.proj"}
        for at, layer in enumerate(("reduce", "filter")):
            units |= {f"{theirs}.branch2.{at}": f"{ours}.branch3x3.{layer}"}
            units |= {f"{theirs}.branch3.{at}": f"{ours}.branch5x5.{layer}"}
    keys = {"fc": "head.fc"}
    for theirs, ours in (("aux1", "auxiliary.inception4a"), ("aux2", "auxiliary.inception4d")):
        units |= {f"{theirs}.conv": f"{ours}.conv"}
        keys |= {f"{theirs}.fc1": f"{ours}.hidden.1", f"{theirs}.fc2": f"{ours}.fc"}
    for theirs, ours in units.items():
        keys |= {f"{theirs}.conv": f"{ours}.conv", f"{theirs}.bn": f"{ours}.norm"}
    return keys

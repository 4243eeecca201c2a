"""GoogLeNet with batch norm: Inception v1 (Szegedy et al. 2014, arXiv 1409.4842) as in its published PyTorch weights.

Batch norm: Ioffe and Szegedy 2015, arXiv 1502.03167.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from edgekit.zoo.blocks import ConvNormAct, GlobalAveragePool, named
from edgekit.zoo.inception_v1 import FEATURES, MODULES, STEM, auxiliary_heads, inception_stages, pool
from edgekit.zoo.network import Network


def googlenet(*, classes: int = 1000, in_channels: int = 3, auxiliary: bool = False, dropout: float = 0.2) -> Network:
    """Build GoogLeNet as the published PyTorch weights have it.

    Accepts any input of 15x15 pixels or more. Departures from the paper, all as in the published weights: batch norm
    after every convolution, no biases and no response norms; 3x3 kernels in the "5x5" branch, a porting mistake that
    the weights were trained with; the last max pooling is 2x2, not 3x3; the auxiliary classifiers average their grid to
    4x4 adaptively; dropout of 20%, not 40%.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        auxiliary: add the two auxiliary classifiers, which help training.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.
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
    """Map torchvision's module paths to those of this network, auxiliary classifiers included."""
    units = {"conv1": "body.conv1", "conv2": "body.conv2.reduce", "conv3": "body.conv2.filter"}
    for name in MODULES:
        published, module = f"inception{name}", f"body.inception{name}"
        units |= {f"{published}.branch1": f"{module}.branch1x1", f"{published}.branch4.1": f"{module}.branch_pool.proj"}
        for index, layer in enumerate(("reduce", "filter")):
            units |= {f"{published}.branch2.{index}": f"{module}.branch3x3.{layer}"}
            units |= {f"{published}.branch3.{index}": f"{module}.branch5x5.{layer}"}
    keys = {"fc": "head.fc"}
    for published, module in (("aux1", "auxiliary.inception4a"), ("aux2", "auxiliary.inception4d")):
        units |= {f"{published}.conv": f"{module}.conv"}
        keys |= {f"{published}.fc1": f"{module}.hidden.1", f"{published}.fc2": f"{module}.fc"}
    for published, module in units.items():
        keys |= {f"{published}.conv": f"{module}.conv", f"{published}.bn": f"{module}.norm"}
    return keys

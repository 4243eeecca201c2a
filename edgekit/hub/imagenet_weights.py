"""Pretrained weights: a file, or the official PyTorch checkpoints trained on ImageNet (ILSVRC 2012, 1000 classes).

All facts are from torchvision 0.28.0 (the IMAGENET1K_V1 entry of each network); a test compares them. The preprocessing
is that of the network's spec, which was written for these weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from edgekit.errors import WeightsError, quote
from edgekit.hub.download import OnBytes, fetch
from edgekit.preprocess.spec import Preprocess
from edgekit.zoo.specs import spec_named

IMAGENET = "imagenet"
_BASE_URL = "https://download.pytorch.org/models"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """One published checkpoint.

    Attributes:
        model: name of the network in the zoo.
        url: address of the file.
        size_mib: size of the file in MiB, as stated by its publisher.
        top1: accuracy on ImageNet's validation set, in percent.
        top5: likewise.
        license: of torchvision, which publishes the file. It notes that weights may be subject to further terms, those
            of the data they were trained on. GoogLeNet's and EfficientNet's were converted from other projects.
        padding: of the strided convolutions that the weights were trained with.
    """

    model: str
    url: str
    size_mib: float
    top1: float
    top5: float
    license: str = "BSD-3-Clause"
    padding: Literal["symmetric", "tf_same"] = "symmetric"

    @property
    def sha256(self) -> str:
        """The first 8 hexadecimal digits, which are all that the publisher states, at the end of the file name.

        They detect a damaged file. Protection against a forged one is the https of the address.
        """
        return self.url.rpartition("-")[2].removesuffix(".pth")

    @property
    def max_bytes(self) -> int:
        """Upper bound of the file size: the stated size, which was rounded to 0.001 MiB."""
        return int((self.size_mib + 0.001) * 2**20)

    @property
    def preprocess(self) -> Preprocess:
        """Preprocessing that the network was trained with, which is that of its spec."""
        return spec_named(self.model).preprocess


# fmt: off
_ROWS = (
    # model             file                                          MiB  top-1   top-5
    ("alexnet_owt",     "alexnet-owt-7be5be79.pth",               233.087, 56.522, 79.066),
    ("vgg11",           "vgg11-8a719046.pth",                     506.840, 69.020, 88.628),
    ("vgg13",           "vgg13-19584684.pth",                     507.545, 69.928, 89.246),
    ("vgg16",           "vgg16-397923af.pth",                     527.796, 71.592, 90.382),
    ("vgg19",           "vgg19-dcbb9e9d.pth",                     548.051, 72.376, 90.876),
    ("vgg11_bn",        "vgg11_bn-6002323d.pth",                  506.881, 70.370, 89.810),
    ("vgg13_bn",        "vgg13_bn-abd245e5.pth",                  507.590, 71.586, 90.374),
    ("vgg16_bn",        "vgg16_bn-6c64b313.pth",                  527.866, 73.360, 91.516),
    ("vgg19_bn",        "vgg19_bn-c79401a0.pth",                  548.143, 74.218, 91.842),
    ("resnet18",        "resnet18-f37072fd.pth",                   44.661, 69.758, 89.078),
    ("resnet34",        "resnet34-b627a593.pth",                   83.275, 73.314, 91.420),
    ("resnet50",        "resnet50-0676ba61.pth",                   97.781, 76.130, 92.862),
    ("resnet101",       "resnet101-63fe2227.pth",                 170.511, 77.374, 93.546),
    ("resnet152",       "resnet152-394f9c45.pth",                 230.434, 78.312, 94.046),
    ("googlenet",       "googlenet-1378be20.pth",                  49.731, 69.778, 89.530),
    ("mobilenet_v2",    "mobilenet_v2-b0353104.pth",               13.555, 71.878, 90.286),
    ("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth",  20.451, 77.692, 93.532),
    ("efficientnet_b1", "efficientnet_b1_rwightman-bac287d4.pth",  30.134, 78.642, 94.186),
    ("efficientnet_b2", "efficientnet_b2_rwightman-c35c1473.pth",  35.174, 80.608, 95.310),
    ("efficientnet_b3", "efficientnet_b3_rwightman-b3899882.pth",  47.184, 82.008, 96.054),
    ("efficientnet_b4", "efficientnet_b4_rwightman-23ab8bcd.pth",  74.489, 83.384, 96.594),
    ("efficientnet_b5", "efficientnet_b5_lukemelas-1a07897c.pth", 116.864, 83.444, 96.628),
    ("efficientnet_b6", "efficientnet_b6_lukemelas-24a108a5.pth", 165.362, 84.008, 96.916),
    ("efficientnet_b7", "efficientnet_b7_lukemelas-c5b4e57e.pth", 254.675, 84.122, 96.908),
)
# fmt: on

PUBLISHED: Mapping[str, PublishedWeights] = MappingProxyType(
    {
        model: PublishedWeights(model=model, url=f"{_BASE_URL}/{file}", size_mib=size_mib, top1=top1, top5=top5)
        for model, file, size_mib, top1, top5 in _ROWS
    }
)


def published_weights(model: str) -> PublishedWeights:
    """Return the official checkpoint of a network.

    Args:
        model: name of the network in the zoo.

    Raises:
        WeightsError: there is none; the message lists the networks that have one.
    """
    if model not in PUBLISHED:
        raise WeightsError(f"{quote(model)} has no published weights; these networks have: {', '.join(PUBLISHED)}")
    return PUBLISHED[model]


def weights_path(model: str, weights: str, *, on_bytes: OnBytes | None = None) -> Path:
    """Return the file with the weights of a network.

    Args:
        model: name of the network in the zoo.
        weights: a path, or "imagenet" for the official checkpoint, which is downloaded into the cache if necessary.
        on_bytes: progress of the download, as in `fetch`.

    Raises:
        WeightsError: there is no such file, or the official checkpoint does not exist or could not be downloaded.
    """
    if weights == IMAGENET:
        checkpoint = published_weights(model)
        return fetch(checkpoint.url, checkpoint.sha256, max_bytes=checkpoint.max_bytes, on_bytes=on_bytes)
    path = Path(weights)
    if not path.is_file():
        reason = "is a folder" if path.is_dir() else "no such file"
        raise WeightsError(f"{weights}: {reason}; `weights` must be a .safetensors or .pth file, or {IMAGENET!r}")
    return path

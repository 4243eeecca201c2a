"""The image processors of transformers' classifiers, by class: the values that they use where their file has none."""

from __future__ import annotations

from typing import Any

_STANDARD = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_BILINEAR, _BICUBIC = {"resample": 2}, {"resample": 3}
_SHORT_EDGE = {"default_to_square": False}
_CROPPED = {"do_center_crop": True, "crop_size": 224}
# Of every processor, unless its own line states something else.
COMMON = {
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "default_to_square": True,
    **_BILINEAR,
}
PROCESSORS: dict[str, dict[str, Any]] = {
    "BeitImageProcessor": {**_STANDARD, **_BICUBIC, "size": 224, "crop_size": 224},
    "BitImageProcessor": {**_CLIP, **_BICUBIC, **_SHORT_EDGE, **_CROPPED, "size": 224},
    "CLIPImageProcessor": {**_CLIP, **_BICUBIC, **_SHORT_EDGE, **_CROPPED, "size": 224},
    "ConvNextImageProcessor": {**_STANDARD, **_BICUBIC, **_SHORT_EDGE, "size": 384, "crop_pct": 224 / 256},
    "DeiTImageProcessor": {**_STANDARD, **_BICUBIC, **_CROPPED, "size": 256},
    "EfficientNetImageProcessor": {**_STANDARD, **_BICUBIC, "size": 346, "crop_size": 289, "include_top": True},
    "LevitImageProcessor": {**_IMAGENET, **_BICUBIC, **_SHORT_EDGE, **_CROPPED, "size": 224},
    "MobileNetV1ImageProcessor": {**_STANDARD, **_SHORT_EDGE, **_CROPPED, "size": 256},
    "MobileNetV2ImageProcessor": {**_STANDARD, **_SHORT_EDGE, **_CROPPED, "size": 256},
    "MobileViTImageProcessor": {
        **_BICUBIC,
        **_SHORT_EDGE,
        "size": 224,
        "do_center_crop": True,
        "crop_size": 256,
        "do_flip_channel_order": True,
    },
    "PoolFormerImageProcessor": {**_IMAGENET, **_BICUBIC, **_SHORT_EDGE, **_CROPPED, "size": 224, "crop_pct": 0.9},
    "PvtImageProcessor": {**_IMAGENET, **_BICUBIC, "size": 224},
    "SegformerImageProcessor": {**_IMAGENET, "size": 512},
    "SiglipImageProcessor": {**_STANDARD, **_BICUBIC, **_SHORT_EDGE, "size": {"height": 224, "width": 224}},
    "ViTImageProcessor": {**_STANDARD, "size": 224},
}
# Processors of classifiers that do what a Preprocess cannot express.
REFUSED = {
    "DonutImageProcessor": "it turns and shrinks images by their proportions",
    "Gemma3ImageProcessor": "it cuts images into several crops for a language model",
    "ImageGPTImageProcessor": "it replaces each pixel by the nearest of a list of colors",
    "PPLCNetImageProcessor": "it rounds the long edge instead of truncating it",
    "PerceiverImageProcessor": "it crops before it resizes",
    "Siglip2ImageProcessor": "it cuts images into patches",
    "TextNetImageProcessor": "its output has the proportions of the image",
}
# The processor of a model whose preprocessor_config.json names none, as in files of 2021 and 2022.
BY_MODEL_TYPE = {
    "beit": "BeitImageProcessor",
    "bit": "BitImageProcessor",
    "clip": "CLIPImageProcessor",
    "convnext": "ConvNextImageProcessor",
    "convnextv2": "ConvNextImageProcessor",
    "cvt": "ConvNextImageProcessor",
    "data2vec-vision": "BeitImageProcessor",
    "deit": "DeiTImageProcessor",
    "dinat": "ViTImageProcessor",
    "dinov2": "BitImageProcessor",
    "efficientnet": "EfficientNetImageProcessor",
    "focalnet": "BitImageProcessor",
    "hiera": "BitImageProcessor",
    "ijepa": "ViTImageProcessor",
    "imagegpt": "ImageGPTImageProcessor",
    "levit": "LevitImageProcessor",
    "mobilenet_v1": "MobileNetV1ImageProcessor",
    "mobilenet_v2": "MobileNetV2ImageProcessor",
    "mobilevit": "MobileViTImageProcessor",
    "mobilevitv2": "MobileViTImageProcessor",
    "perceiver": "PerceiverImageProcessor",
    "poolformer": "PoolFormerImageProcessor",
    "pvt": "PvtImageProcessor",
    "pvt_v2": "PvtImageProcessor",
    "regnet": "ConvNextImageProcessor",
    "resnet": "ConvNextImageProcessor",
    "segformer": "SegformerImageProcessor",
    "siglip": "SiglipImageProcessor",
    "swiftformer": "ViTImageProcessor",
    "swin": "ViTImageProcessor",
    "swinv2": "ViTImageProcessor",
    "vit": "ViTImageProcessor",
    "vit_msn": "ViTImageProcessor",
}

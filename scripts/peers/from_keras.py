"""Peers of Keras: its applications, and a network as its tutorials build it, exported by `model.export`."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from peers.spread import scale_to_spread

APPLICATIONS = {
    "mobilenet_v2": ("mobilenet_v2", "MobileNetV2"),
    "resnet50": ("resnet50", "ResNet50"),
    "efficientnet_b0": ("efficientnet", "EfficientNetB0"),
    "densenet121": ("densenet", "DenseNet121"),
}


def make(name: str, folder: Path, photos: list[Path]) -> tuple[npt.NDArray[np.float32], None]:
    """Write model.onnx to the folder; return the logits of the photographs."""
    import keras

    keras.utils.set_random_seed(zlib.crc32(name.encode()))
    model, preprocess = _tutorial() if name == "tutorial" else _application(name)
    size = model.input_shape[1:3]
    images = [keras.utils.img_to_array(keras.utils.load_img(photo, target_size=size)) for photo in photos]
    inputs = np.stack([preprocess(image.copy()) for image in images])
    _randomize(model, inputs)
    model.export(folder / "model.onnx", format="onnx", verbose=False)
    model.layers[-1].activation = keras.activations.linear  # probabilities can be too small for a float32
    return np.concatenate([_array(model(image[None])) for image in inputs]), None


def _application(name: str) -> tuple[Any, Callable[[Any], Any]]:
    import keras

    module, network = APPLICATIONS[name.partition("-")[0]]
    application = getattr(keras.applications, module)
    arguments = {"input_shape": (96, 96, 3), "alpha": 0.35} if name.endswith("-small") else {}
    return getattr(application, network)(weights=None, **arguments), application.preprocess_input


def _tutorial() -> tuple[Any, Callable[[Any], Any]]:
    """As in "Image classification": normalization inside, a flattened map of features, and logits of five flowers."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((180, 180, 3)),
            layers.Rescaling(1.0 / 255),
            *(
                layer
                for width in (16, 32, 64)
                for layer in (layers.Conv2D(width, 3, padding="same", activation="relu"), layers.MaxPooling2D())
            ),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(5, name="outputs"),
        ]
    )
    return model, lambda image: image


def _randomize(model: Any, inputs: npt.NDArray[np.float32]) -> None:
    """Make the logits depend on the image, as `random_networks.randomize` does."""
    import keras

    rng = np.random.default_rng(0)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.gamma.assign(rng.uniform(0.3, 0.8, norm.gamma.shape))
        norm.beta.assign(rng.normal(0, 0.5, norm.beta.shape))
        norm.momentum = 0.0  # the statistics of the single batch below
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.kernel.assign(rng.normal(0, (2 / np.prod(layer.kernel.shape[:2])) ** 0.5, layer.kernel.shape))
    model(inputs, training=True)
    for norm in norms:
        variance = _array(norm.moving_variance)
        norm.moving_variance.assign(np.maximum(variance, 0.1 * variance.mean()))  # of constant channels
    head = model.layers[-1]
    features = _array(keras.Model(model.inputs, head.input)(inputs))
    kernel = rng.normal(0, features.shape[1] ** -0.5, head.kernel.shape)
    bias = -(features @ kernel).mean(axis=0)
    scale = scale_to_spread(features @ kernel + bias)
    head.kernel.assign(kernel * scale)
    head.bias.assign(bias * scale)


def _array(tensor: Any) -> npt.NDArray[np.float32]:
    import keras

    return keras.ops.convert_to_numpy(tensor)

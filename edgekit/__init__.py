"""Image classifiers as one self-contained ONNX file, and a light predictor for them.

Example:
    >>> from edgekit import Classifier
    >>> classifier = Classifier("mobilenet_v2-cifar10-int8")  # a built-in model
    >>> classifier.predict("examples/ship.png").label
    'ship'
"""

import os

# onnxruntime's Linux wheels start telemetry threads on import, which can make a forked child hang at exit. The variable
# must be set before that import, so it is set here, before every other import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily
from edgekit.version import __version__ as __version__

# The module that defines each public name. They are imported on first use, so that `edgekit --help`, which uses none,
# loads neither numpy nor onnxruntime.
_HOMES = {
    "AdaptivePlan": "preprocess.adaptive_crops",
    "ArtifactError": "errors",
    "ArtifactInfo": "artifact.info",
    "Classifier": "runtime.classifier",
    "CropPlan": "preprocess.crops",
    "DataError": "errors",
    "EdgekitError": "errors",
    "Ensemble": "runtime.ensemble",
    "ImageError": "errors",
    "ImageLimits": "image.decode_limits",
    "MissingDependency": "errors",
    "ModelLimits": "artifact.guard.model_limits",
    "ParityError": "errors",
    "Prediction": "runtime.prediction",
    "Preprocess": "preprocess.spec",
    "QualityGateError": "errors",
    "Score": "preprocess.scores",
    "SessionOptions": "runtime.session",
    "Size": "image.size",
    "SpecError": "errors",
    "Unreadable": "dataset.image_set",
    "WeightsError": "errors",
    "load_image": "image.load",
    "plan_named": "preprocess.crops",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from edgekit.artifact.guard.model_limits import ModelLimits as ModelLimits
    from edgekit.artifact.info import ArtifactInfo as ArtifactInfo
    from edgekit.dataset.image_set import Unreadable as Unreadable
    from edgekit.errors import ArtifactError as ArtifactError
    from edgekit.errors import DataError as DataError
    from edgekit.errors import EdgekitError as EdgekitError
    from edgekit.errors import ImageError as ImageError
    from edgekit.errors import MissingDependency as MissingDependency
    from edgekit.errors import ParityError as ParityError
    from edgekit.errors import QualityGateError as QualityGateError
    from edgekit.errors import SpecError as SpecError
    from edgekit.errors import WeightsError as WeightsError
    from edgekit.image.decode_limits import ImageLimits as ImageLimits
    from edgekit.image.load import load_image as load_image
    from edgekit.image.size import Size as Size
    from edgekit.preprocess.adaptive_crops import AdaptivePlan as AdaptivePlan
    from edgekit.preprocess.crops import CropPlan as CropPlan
    from edgekit.preprocess.crops import plan_named as plan_named
    from edgekit.preprocess.scores import Score as Score
    from edgekit.preprocess.spec import Preprocess as Preprocess
    from edgekit.runtime.classifier import Classifier as Classifier
    from edgekit.runtime.ensemble import Ensemble as Ensemble
    from edgekit.runtime.prediction import Prediction as Prediction
    from edgekit.runtime.session import SessionOptions as SessionOptions
else:
    export_lazily(__name__, _HOMES)

"""edgekit: image classifiers as one self-contained ONNX file, and a light predictor for it.

from edgekit import Classifier

print(Classifier().predict("image.jpg").label)
"""

import os

# onnxruntime's Linux wheels start telemetry threads when imported, and a forked child can hang in exit because of them.
# It must be in the environment before the import, so it stands here, before every other.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgekit.artifact.guard.model_limits import ModelLimits as ModelLimits
    from edgekit.artifact.info import ArtifactInfo as ArtifactInfo
    from edgekit.errors import EdgekitError as EdgekitError
    from edgekit.image.decode_limits import ImageLimits as ImageLimits
    from edgekit.image.size import Size as Size
    from edgekit.preprocess.crops import CropPlan as CropPlan
    from edgekit.preprocess.scores import Score as Score
    from edgekit.preprocess.spec import Preprocess as Preprocess
    from edgekit.runtime.classifier import Classifier as Classifier
    from edgekit.runtime.ensemble import Ensemble as Ensemble
    from edgekit.runtime.prediction import Prediction as Prediction

# Where each public name lives. They are imported when first asked for, so that `edgekit --help`, which asks for none,
# loads neither numpy nor onnxruntime.
_PUBLIC = {
    "ArtifactInfo": "edgekit.artifact.info",
    "Classifier": "edgekit.runtime.classifier",
    "CropPlan": "edgekit.preprocess.crops",
    "EdgekitError": "edgekit.errors",
    "Ensemble": "edgekit.runtime.ensemble",
    "ImageLimits": "edgekit.image.decode_limits",
    "ModelLimits": "edgekit.artifact.guard.model_limits",
    "Prediction": "edgekit.runtime.prediction",
    "Preprocess": "edgekit.preprocess.spec",
    "Score": "edgekit.preprocess.scores",
    "Size": "edgekit.image.size",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PUBLIC[name]), name)

"""How accurate and how fast a model file is. Needs neither torch nor onnx."""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

# The module that defines each public name; they are imported on first use.
_HOMES = {
    "Accuracy": "accuracy",
    "Comparison": "evaluation",
    "EvaluatedModel": "predictions",
    "Evaluation": "evaluation",
    "Interval": "intervals",
    "ModelComparison": "compare_models",
    "ModelMetrics": "evaluation",
    "MultiLabelAccuracy": "multi_label",
    "MultiLabelComparison": "multi_label_evaluation",
    "MultiLabelEvaluation": "multi_label_evaluation",
    "MultiLabelMetrics": "multi_label_evaluation",
    "PairedTest": "intervals",
    "Predictions": "predictions",
    "compare_models": "compare_models",
    "evaluate": "evaluation",
    "evaluate_multi_label": "multi_label_evaluation",
    "images_for_temperature": "temperature",
    "measure_accuracy": "accuracy",
    "predict_all": "predictions",
    "require_agreement": "compare_models",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.evaluate.accuracy import Accuracy as Accuracy
    from edgekit.evaluate.accuracy import measure_accuracy as measure_accuracy
    from edgekit.evaluate.compare_models import ModelComparison as ModelComparison
    from edgekit.evaluate.compare_models import compare_models as compare_models
    from edgekit.evaluate.compare_models import require_agreement as require_agreement
    from edgekit.evaluate.evaluation import Comparison as Comparison
    from edgekit.evaluate.evaluation import Evaluation as Evaluation
    from edgekit.evaluate.evaluation import ModelMetrics as ModelMetrics
    from edgekit.evaluate.evaluation import evaluate as evaluate
    from edgekit.evaluate.intervals import Interval as Interval
    from edgekit.evaluate.intervals import PairedTest as PairedTest
    from edgekit.evaluate.multi_label import MultiLabelAccuracy as MultiLabelAccuracy
    from edgekit.evaluate.multi_label_evaluation import MultiLabelComparison as MultiLabelComparison
    from edgekit.evaluate.multi_label_evaluation import MultiLabelEvaluation as MultiLabelEvaluation
    from edgekit.evaluate.multi_label_evaluation import MultiLabelMetrics as MultiLabelMetrics
    from edgekit.evaluate.multi_label_evaluation import evaluate_multi_label as evaluate_multi_label
    from edgekit.evaluate.predictions import EvaluatedModel as EvaluatedModel
    from edgekit.evaluate.predictions import Predictions as Predictions
    from edgekit.evaluate.predictions import predict_all as predict_all
    from edgekit.evaluate.temperature import images_for_temperature as images_for_temperature
else:
    export_lazily(__name__, _HOMES)

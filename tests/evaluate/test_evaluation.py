"""The metrics of several models, and how they compare."""

from made_models import LABELS, write_tiny
from made_reports import drawn_images, evaluated_model, random_images

from edgekit.evaluate.evaluation import evaluate
from edgekit.evaluate.predictions import predict_all


def test_evaluate_compares_models_by_the_names_of_their_labels(tiny_artifact, tmp_path):
    """The second model has the labels in another order, so its class indexes differ."""
    reversed_labels = write_tiny(tmp_path / "reversed.onnx", labels=LABELS[::-1])
    models = [evaluated_model(tiny_artifact), evaluated_model(reversed_labels, name="reversed")]
    evaluation = evaluate(predict_all(models, random_images(40)), data="drawn")
    first, second = evaluation.models
    assert [LABELS[::-1][i] for i in second.accuracy.truth] == [LABELS[i] for i in first.accuracy.truth]
    comparison = evaluation.comparisons[0]
    assert comparison.paired.won == int((second.correct() & ~first.correct()).sum())
    labels = list(zip(first.predicted_labels(), second.predicted_labels(), strict=True))
    assert comparison.flipped == tuple(n for n, (ours, theirs) in enumerate(labels) if ours != theirs) != ()


def test_evaluate_measures_the_calibration_error_with_and_without_the_temperature(tiny_artifact, tmp_path):
    images = drawn_images(tiny_artifact, 400, temperature=0.5)
    models = [
        evaluated_model(tiny_artifact),
        evaluated_model(write_tiny(tmp_path / "w.onnx", temperature=0.5), name="w"),
    ]
    plain, scaled = evaluate(predict_all(models, images), data="drawn").models
    assert (plain.temperature, plain.uncalibrated_ece) == (None, None)
    assert (scaled.temperature, scaled.uncalibrated_ece) == (0.5, plain.calibration.ece)
    assert scaled.calibration.ece < 0.06 < plain.calibration.ece
    assert scaled.predicted_labels() == plain.predicted_labels()
    document = evaluate(predict_all(models, images, calibrated=False), data="drawn").to_dict()["models"][1]
    assert (document["temperature"], document["uncalibrated_ece"]) == (None, None)
    assert document["calibration"]["ece"] == plain.calibration.ece


def test_mistakes_start_with_the_most_confident(tiny_artifact):
    predictions = predict_all([evaluated_model(tiny_artifact)], random_images(40))
    metrics = evaluate(predictions, data="drawn").models[0]
    confidences = [mistake.probability for mistake in metrics.mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] == metrics.accuracy.probabilities.max(axis=1)[~metrics.correct()].max()
    assert all(mistake.truth != mistake.predicted for mistake in metrics.mistakes)

"""The metrics of several models, and how they compare."""

from made_models import LABELS, write_tiny
from made_reports import evaluated_model, random_images

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


def test_mistakes_start_with_the_most_confident(tiny_artifact):
    predictions = predict_all([evaluated_model(tiny_artifact)], random_images(40))
    metrics = evaluate(predictions, data="drawn").models[0]
    confidences = [mistake.probability for mistake in metrics.mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] == metrics.accuracy.probabilities.max(axis=1)[~metrics.correct()].max()
    assert all(mistake.truth != mistake.predicted for mistake in metrics.mistakes)

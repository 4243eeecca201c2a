"""Several models asked about the same pictures, of which some cannot be read."""

import numpy as np
import pytest
from made_models import LABELS, write_tiny

from edgekit import Classifier
from edgekit.dataset import PictureSet
from edgekit.errors import DataError
from edgekit.evaluate.accuracy import matched_labels
from edgekit.evaluate.evaluation import evaluation
from edgekit.evaluate.predictions import Contender, answer
from edgekit.labels import read_synonyms


def contender(path, crops="center", name="tiny"):
    return Contender(name, path, Classifier(path), crops)


def drawn(count, classes=LABELS):
    rng = np.random.default_rng(3)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(count)]
    return PictureSet(classes, sources, tuple(f"p{n}" for n in range(count)), tuple(n % 4 for n in range(count)))


def test_a_broken_picture_is_set_aside_for_all(tiny_artifact):
    pictures = drawn(6)
    pictures.sources[2] = b"not a picture"
    seen = []
    both = (contender(tiny_artifact), contender(tiny_artifact, "ten", "tiny, ten"))
    answers = answer(both, pictures, on_picture=lambda: seen.append(1))
    assert [image.name for image in answers.unreadable] == ["p2"]
    assert answers.pictures.names == ("p0", "p1", "p3", "p4", "p5")
    assert len(seen) == 12
    for one, accuracy in zip(both, answers.accuracies, strict=True):
        assert accuracy.truth.tolist() == [0, 1, 3, 0, 1]
        expected = [one.classifier.predict(s, plan=one.crops).probabilities for s in answers.pictures.sources]
        np.testing.assert_array_equal(accuracy.probabilities, expected)


def test_nothing_readable_is_an_error(tiny_artifact):
    pictures = PictureSet(LABELS, [b"x", b"y"], ("a", "b"), (0, 1))
    with pytest.raises(DataError, match="none of the 2 pictures"):
        answer([contender(tiny_artifact)], pictures)


def test_figures_of_several_models_by_names_of_their_labels(tiny_artifact, tmp_path):
    """A model whose labels stand in another order answers otherwise, and its truth is matched by name."""
    turned = write_tiny(tmp_path / "turned.onnx", labels=LABELS[::-1])
    answers = answer([contender(tiny_artifact), contender(turned, name="turned")], drawn(40))
    found = evaluation(answers, data="drawn")
    first, second = found.figures
    assert [LABELS[::-1][i] for i in second.accuracy.truth] == [LABELS[i] for i in first.accuracy.truth]
    compared = found.comparisons[0]
    assert compared.paired.won == int((second.right() & ~first.right()).sum())
    assert all(first.answered()[n] != second.answered()[n] for n in compared.flipped)
    assert len(compared.flipped) == sum(a != b for a, b in zip(first.answered(), second.answered(), strict=True))


def test_mistakes_are_the_most_confident_ones(tiny_artifact):
    figures = evaluation(answer([contender(tiny_artifact)], drawn(40)), data="drawn").figures[0]
    sure = [mistake.probability for mistake in figures.mistakes]
    assert sure == sorted(sure, reverse=True)
    wrong = ~figures.right()
    assert sure[0] == figures.accuracy.probabilities.max(axis=1)[wrong].max()
    assert all(mistake.truth != mistake.predicted for mistake in figures.mistakes)


def test_a_mismatch_lists_both_sides():
    with pytest.raises(DataError) as caught:
        matched_labels(drawn(4, ("red", "green", "azure", "black")), LABELS)
    assert "only in the images: 'azure'" in str(caught.value)
    assert "only in the model: 'blue'" in str(caught.value)
    assert "--map" in str(caught.value)


def test_synonyms_match_what_names_do_not():
    classes = ("red", "green", "azure", "black")
    truth = matched_labels(drawn(4, classes), LABELS, synonyms={"azure": "blue"})
    assert truth.tolist() == [0, 1, 2, 3]
    with pytest.raises(DataError, match="did you mean azure"):
        matched_labels(drawn(4, classes), LABELS, synonyms={"azur": "blue"})
    with pytest.raises(DataError, match="did you mean blue"):
        matched_labels(drawn(4, classes), LABELS, synonyms={"azure": "bluu"})


def test_a_name_that_two_classes_share_is_refused():
    with pytest.raises(DataError, match="several labels 'crane'"):
        matched_labels(drawn(4, ("a", "crane", "b", "c")), ("crane", "a", "b", "c", "crane"))


def test_synonyms_from_words_and_files(tmp_path):
    table = tmp_path / "map.csv"
    table.write_text('auto,car\n"crane, bird","crane"\n')
    assert read_synonyms(["a=b", str(table)]) == {"a": "b", "auto": "car", "crane, bird": "crane"}
    with pytest.raises(DataError, match="neither OLD=NEW nor a file"):
        read_synonyms(["missing.csv"])
    table.write_text("one,two,three\n")
    with pytest.raises(DataError, match="3 columns"):
        read_synonyms([str(table)])


@pytest.mark.slow
def test_real_predictions_agree_with_scikit_learn(shared):
    from made_peers import assert_calibrated_as_scikit_learn, assert_confused_as_scikit_learn

    from edgekit import dataset
    from edgekit.hub.shipped import shipped_models

    pictures = dataset.read(shared / "data/mnist", "val").sample(1500, seed=0)
    one = contender(shipped_models()["lenet5-mnist"])
    accuracy = answer([one], pictures).accuracies[0]
    assert_calibrated_as_scikit_learn(accuracy.truth, accuracy.probabilities)
    assert_confused_as_scikit_learn(accuracy.truth, accuracy.probabilities.argmax(axis=1), 10)

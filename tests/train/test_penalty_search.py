"""Cross-validation of the head's regression."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from edgekit.train.penalty_search import (
    FOLDS,
    PENALTIES,
    TrainingSet,
    Trial,
    cross_validate,
    fitted_layer,
    scores,
    stratified_folds,
)


def noisy_set(images=60, *, copies=0, seed=0, weights=None):
    """Two classes, which one feature in ten explains, and copies of the images with noise of their own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 2
    values = rng.normal(size=(images, 10))
    values[:, 0] += 2 * labels
    views = [values, *(values + 0.3 * rng.normal(size=values.shape) for _ in range(copies))]
    image_weights = torch.ones(images, dtype=torch.float64) if weights is None else weights
    return TrainingSet([torch.from_numpy(v).float() for v in views], torch.from_numpy(labels), 2, image_weights)


def test_stratified_folds_spread_every_class_evenly():
    labels = torch.tensor([0] * 23 + [1] * 10 + [2] * 7)
    folds = stratified_folds(labels, seed=1)
    for label in range(3):
        counts = np.bincount(folds[(labels == label).numpy()], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(folds, minlength=FOLDS)
    assert counts.tolist() == [8] * FOLDS


def test_stratified_folds_never_hold_out_the_only_image_of_a_class():
    folds = stratified_folds(torch.tensor([0, 0, 0, 1, 2, 2]), seed=0)
    assert folds[3] == -1
    assert sorted(folds[[0, 1, 2]]) == [0, 1, 2]
    assert sorted(set(folds[[4, 5]])) == sorted(folds[[4, 5]])
    assert (folds[[4, 5]] >= 0).all()


def test_stratified_folds_of_several_labels_spread_the_rarest():
    labels = torch.zeros(30, 3)
    labels[:, 0] = 1
    labels[::6, 1] = 1  # five images
    folds = stratified_folds(labels, seed=2)
    assert sorted(folds[::6]) == [0, 1, 2, 3, 4]
    assert sorted(np.bincount(folds)) == [6] * FOLDS


def test_stratified_folds_depend_on_the_seed_alone():
    labels = torch.arange(40) % 4
    assert (stratified_folds(labels, seed=3) == stratified_folds(labels, seed=3)).all()
    assert (stratified_folds(labels, seed=3) != stratified_folds(labels, seed=4)).any()


def test_cross_validated_figures_are_those_of_scikit_learn_on_the_same_folds():
    training = noisy_set()
    folds = stratified_folds(training.labels, seed=0)
    trials = cross_validate(training, folds)
    trial = next(t for t in trials if t.standardized and t.penalty == pytest.approx(0.1))
    features = training.views[0].double().numpy()
    features, labels = (features - features.mean(0)) / features.std(0), training.labels.numpy()
    probabilities = np.zeros(len(labels))
    for fold in range(FOLDS):
        used, held = folds != fold, folds == fold
        # Two columns of weights share the penalty of one.
        model = LogisticRegression(C=2 / (0.1 * used.sum()), tol=1e-10).fit(features[used], labels[used])
        probabilities[held] = model.predict_proba(features[held])[:, 1]
    loss = -np.log(np.where(labels == 1, probabilities, 1 - probabilities)).mean()
    assert trial.log_loss == pytest.approx(loss, abs=2e-3)
    assert trial.accuracy == pytest.approx(((probabilities > 0.5) == labels).mean(), abs=1 / 60)


def test_held_out_images_do_not_take_part_through_their_copies():
    training = noisy_set(40, copies=1)
    # Labels at random: copies of held-out images among the fitted ones would predict them far better than by chance.
    labels = torch.from_numpy(np.random.default_rng(5).permutation(training.labels.numpy()))
    views = [torch.randn(40, 200, generator=torch.Generator().manual_seed(1))] * 2
    training = training._replace(views=views, labels=labels)
    trials = cross_validate(training, stratified_folds(labels, seed=0))
    assert {t.copies for t in trials} == {False, True}
    assert max(t.accuracy for t in trials if t.copies) < 0.8


def test_copies_that_equal_their_images_change_nothing():
    training = noisy_set()
    twice = training._replace(views=[*training.views, *training.views])
    trial = Trial(standardized=True, copies=False, penalty=0.05, log_loss=0.0, accuracy=0.0)
    plain = fitted_layer(training, trial)
    copied = fitted_layer(twice, Trial(standardized=True, copies=True, penalty=0.05, log_loss=0.0, accuracy=0.0))
    for first, second in zip(plain, copied, strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_path_ends_when_weaker_penalties_overfit():
    training = noisy_set()
    trials = cross_validate(training, stratified_folds(training.labels, seed=0))
    penalties = [t.penalty for t in trials if t.standardized]
    assert penalties == list(PENALTIES[: len(penalties)])
    assert len(penalties) < len(PENALTIES)
    best = min((t for t in trials if t.standardized), key=lambda t: t.log_loss)
    assert penalties.index(best.penalty) < len(penalties) - 1


def test_cross_validation_reports_its_progress():
    training, stages = noisy_set(), []
    cross_validate(
        training,
        stratified_folds(training.labels, seed=0),
        on_stage=lambda stage, done, total: stages.append((done, total)),
    )
    done = [count for count, _ in stages]
    assert done == sorted(done)
    assert {total for _, total in stages} == {2 * len(PENALTIES)}


def test_weights_of_images_count_in_the_fit_and_in_the_loss():
    weights = torch.ones(60, dtype=torch.float64)
    weights[::2] = 9.0
    balanced, heavy = noisy_set(), noisy_set(weights=weights)
    folds = stratified_folds(balanced.labels, seed=0)
    fits = []
    for training in (balanced, heavy):
        best = min(cross_validate(training, folds), key=lambda t: t.log_loss)
        weight, bias = fitted_layer(training, best)
        logits = training.views[0].double() @ weight.T + bias
        fits.append(int((logits.argmax(1) == 0).sum()))
    assert fits[1] > fits[0]


def test_scores_of_several_labels_are_the_mean_over_the_classes():
    logits, labels = torch.tensor([[0.0, 0.0], [5.0, -5.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss, accuracy = scores(logits, labels, torch.ones(2))
    assert loss == pytest.approx((math.log(2) + math.log1p(math.exp(-5))) / 2)
    assert accuracy == 0.5

"""Logistic regression, compared with scikit-learn's optimum."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from edgekit.train import logistic_regression
from edgekit.train.logistic_regression import Regressions, principal_basis


def blobs(images=60, features=40, classes=3):
    """Features of unequal scale, one of them constant, and labels that they partly explain."""
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.arange(images) % classes)
    centers = rng.normal(size=(classes, features))
    values = (centers[labels] + 2 * rng.normal(size=(images, features))) * np.logspace(-2, 1, features) + 5
    values[:, 0] = 7
    return torch.from_numpy(values.astype(np.float32)), torch.from_numpy(labels)


def solved(features, targets, *, classes, standardize=True, penalty=0.05, weights=None):
    """The logits of the features by the layer that is solved for."""
    basis = principal_basis(features, standardize=standardize)
    weights = torch.full((1, len(features)), 1 / len(features)) if weights is None else weights[None]
    coordinates = basis.coordinates(features)
    regressions = Regressions(coordinates, basis.variances, targets, classes=classes, row_weights=weights)
    weight, bias = basis.layer(regressions.solve(regressions.start(), penalty=penalty, tolerance=1e-10)[0])
    return (features.to(weight.dtype) @ weight.T + bias).double()


def scaled(features, *, standardize):
    centered = (features - features.mean(0)).double().numpy()[:, 1:]
    return centered / (centered.std(0) if standardize else np.sqrt(centered.var(0).mean()))


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("features_count", [40, 90])
@pytest.mark.parametrize("penalty", [1.0, 0.01])
def test_multinomial_regression_is_the_optimum_of_scikit_learn(standardize, features_count, penalty):
    features, labels = blobs(features=features_count)
    logits = solved(features, labels, classes=3, standardize=standardize, penalty=penalty)
    inputs = scaled(features, standardize=standardize)
    reference = LogisticRegression(C=1 / (penalty * len(labels)), tol=1e-10, max_iter=10_000).fit(inputs, labels)
    assert np.abs(torch.softmax(logits, 1).numpy() - reference.predict_proba(inputs)).max() < 1e-4


def test_large_sets_are_solved_in_float32_as_accurately(monkeypatch):
    features, labels = blobs()
    exact = solved(features, labels, classes=3)
    monkeypatch.setattr(logistic_regression, "_LARGE", 1)
    assert principal_basis(features, standardize=True).axes.dtype == torch.float32
    rounded = solved(features, labels, classes=3)
    assert (torch.softmax(rounded, 1) - torch.softmax(exact, 1)).abs().max() < 1e-4


def test_blocks_of_rows_do_not_change_the_solution(monkeypatch):
    features, labels = blobs()
    whole = solved(features, labels, classes=3)
    monkeypatch.setattr(logistic_regression, "_BLOCK", 21)
    torch.testing.assert_close(solved(features, labels, classes=3), whole, atol=1e-6, rtol=0)


def test_row_weights_count_as_repeated_rows():
    features, labels = blobs()
    counts = torch.from_numpy(np.random.default_rng(0).integers(1, 4, len(labels)))
    weighted = solved(features, labels, classes=3, weights=counts / counts.sum())
    inputs = scaled(features, standardize=True)
    reference = LogisticRegression(C=1 / (0.05 * counts.sum().item()), tol=1e-10, max_iter=10_000)
    reference.fit(inputs, labels, sample_weight=counts.numpy())
    assert np.abs(torch.softmax(weighted, 1).numpy() - reference.predict_proba(inputs)).max() < 1e-4


def test_several_labels_are_one_binary_regression_each():
    features, labels = blobs()
    targets = torch.stack([labels == 0, labels < 2, labels != 1], 1).float()
    probabilities = torch.sigmoid(solved(features, targets, classes=3)).numpy()
    inputs = scaled(features, standardize=True)
    for column in range(3):
        reference = LogisticRegression(C=1 / (0.05 * len(labels)), tol=1e-10, max_iter=10_000)
        expected = reference.fit(inputs, targets[:, column]).predict_proba(inputs)[:, 1]
        assert np.abs(probabilities[:, column] - expected).max() < 1e-4


def test_a_class_without_images_has_a_finite_low_logit():
    features, labels = blobs()
    logits = solved(features, labels, classes=4)
    assert torch.isfinite(logits).all()
    assert torch.softmax(logits, 1)[:, 3].max() < 1e-4


def test_regressions_are_independent_of_each_other():
    features, labels = blobs()
    basis = principal_basis(features, standardize=True)
    weights = torch.stack([torch.arange(60) < 30, torch.arange(60) >= 15]).double()
    weights /= weights.sum(1, keepdim=True)
    together, alone = (
        [
            Regressions(basis.coordinates(features), basis.variances, labels, classes=3, row_weights=part)
            for part in parts
        ]
        for parts in ([weights], [weights[:1], weights[1:]])
    )
    solutions = [r.solve(r.start(), penalty=0.1, tolerance=1e-12) for r in (*together, *alone)]
    torch.testing.assert_close(solutions[0], torch.cat(solutions[1:]), atol=1e-5, rtol=0)


def test_solve_restores_the_number_of_threads():
    before = torch.get_num_threads()
    features, labels = blobs()
    solved(features, labels, classes=3)
    assert torch.get_num_threads() == before

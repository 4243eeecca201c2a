import numpy as np
import pytest

from edgekit.fit.nonnegative import nonnegative_least_squares


def test_exact_solution_without_negative_entries_is_found():
    matrix = np.random.default_rng(0).random((20, 6))
    x = np.array([0.0, 3.0, 0.0, 1.5, 2.0, 0.1])
    np.testing.assert_allclose(nonnegative_least_squares(matrix, matrix @ x), x, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_solution_is_optimal(seed):
    """The Karush-Kuhn-Tucker conditions: no gradient at positive entries, none that points downwards at zeros."""
    rng = np.random.default_rng(seed)
    matrix, target = rng.normal(size=(30, 12)), rng.normal(size=30)
    x = nonnegative_least_squares(matrix, target)
    gradient = matrix.T @ (matrix @ x - target)
    assert (x >= 0).all()
    assert (x == 0).any()
    np.testing.assert_allclose(gradient[x > 0], 0, atol=1e-8)
    assert (gradient[x == 0] >= -1e-8).all()


def test_columns_of_zeros_and_equal_columns_are_solved():
    matrix = np.array([[1.0, 0, 1], [2, 0, 2], [3, 0, 3]])
    x = nonnegative_least_squares(matrix, np.array([2.0, 4, 6]))
    assert x[1] == 0
    assert x[0] + x[2] == pytest.approx(2)

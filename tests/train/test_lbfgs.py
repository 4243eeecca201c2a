"""Minimization of several convex functions at once."""

import torch

from edgekit.train.lbfgs import minimize


def quadratics(curvatures, minima):
    """Functions sum(curvature * (x - minimum)^2 / 2)."""

    def function(parameters):
        offset = parameters - minima
        return (curvatures * offset.square()).sum(1) / 2, curvatures * offset

    return function


def test_minimize_finds_the_minimum_of_each_function():
    generator = torch.Generator().manual_seed(0)
    minima = torch.randn(3, 20, generator=generator, dtype=torch.float64)
    curvatures = torch.logspace(-2, 2, 20, dtype=torch.float64) * torch.tensor([[1.0], [10.0], [1e-2]])
    function, start = quadratics(curvatures, minima), torch.zeros_like(minima)
    reached = minimize(function, start, inverse_curvature=torch.ones(20), tolerance=1e-14)
    torch.testing.assert_close(reached, minima, atol=1e-4, rtol=0)


def test_minimize_halves_steps_that_overshoot():
    function = quadratics(torch.tensor([[1e3, 1.0]]), torch.tensor([[2.0, -1.0]]))
    reached = minimize(function, torch.zeros(1, 2), inverse_curvature=torch.ones(2), tolerance=1e-9)
    torch.testing.assert_close(reached, torch.tensor([[2.0, -1.0]]), atol=1e-3, rtol=0)


def test_minimize_with_the_exact_curvature_needs_one_step():
    curvatures, evaluations = torch.tensor([[1e4, 1.0, 1e-4]]), []
    function = quadratics(curvatures, torch.ones(1, 3))

    def counted(parameters):
        evaluations.append(parameters)
        return function(parameters)

    minimize(counted, torch.zeros(1, 3), inverse_curvature=1 / curvatures[0], tolerance=1e-9)
    assert len(evaluations) == 2


def test_minimize_ends_at_the_resolution_of_float32():
    function = quadratics(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.1, 0.3]]))
    reached = minimize(
        lambda x: (function(x)[0] + 1e6, function(x)[1]),
        torch.zeros(1, 2),
        inverse_curvature=torch.ones(2),
        tolerance=0,
    )
    assert torch.isfinite(reached).all()

"""Optimizers by name, and the learning rates of their groups."""

import pytest
import torch

from edgekit.train.optimizer import create_optimizer, set_learning_rate
from edgekit.train.settings import Optimize


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW), ("rmsprop", torch.optim.RMSprop)]
)
def test_set_learning_rate_scales_it_by_the_rate_of_each_group(name, kind):
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    groups = [
        {"params": [p], "rate": rate, "weight_decay": 0.0} for p, rate in zip(parameters, (1.0, 0.1), strict=True)
    ]
    optimize = Optimize(optimizer=name, learning_rate=0.5, warmup_epochs=0, schedule="constant")
    optimizer = create_optimizer(groups, optimize)
    assert isinstance(optimizer, kind)
    set_learning_rate(optimizer, optimize, 3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.05])

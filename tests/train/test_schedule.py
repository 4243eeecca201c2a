import pytest
import torch

from edgekit.errors import DataError, EdgekitError, SpecError
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.train.lr_finder import Sweep, find_learning_rate
from edgekit.train.optimizer import optimizer_of, set_rate
from edgekit.train.schedule import learning_rate
from edgekit.train.screen_images import check
from edgekit.train.settings import Optimize


def test_warmup_and_cosine():
    optimize = Optimize(epochs=11, warmup_epochs=1, learning_rate=0.4)
    assert learning_rate(optimize, 0.5) == pytest.approx(0.2)
    assert learning_rate(optimize, 1) == pytest.approx(0.4)
    assert learning_rate(optimize, 6) == pytest.approx(0.2)
    assert learning_rate(optimize, 11) == pytest.approx(0.0)


def test_cosine_with_restarts():
    plain = Optimize(epochs=11, warmup_epochs=1, learning_rate=0.4)
    optimize = Optimize(epochs=15, warmup_epochs=1, learning_rate=0.4, restarts=(11,), restart_factor=0.25)
    for epoch in (0.5, 1, 6, 10.9):
        assert learning_rate(optimize, epoch) == learning_rate(plain, epoch)
    assert [learning_rate(optimize, epoch) for epoch in (11, 13, 15)] == pytest.approx([0.1, 0.05, 0.0])


@pytest.mark.parametrize("restarts", [(5, 5), (7, 5), (20,), (1,), (0.5,), (30,)])
def test_restarts_lie_between_the_warmup_and_the_end(restarts):
    with pytest.raises(SpecError, match="restarts"):
        Optimize(epochs=20, warmup_epochs=1, restarts=restarts)


def test_steps_and_constant():
    steps = Optimize(epochs=90, warmup_epochs=0, learning_rate=0.1, schedule="step", step_every=30)
    assert [learning_rate(steps, e) for e in (29.9, 30, 60)] == pytest.approx([0.1, 0.01, 0.001])
    assert learning_rate(Optimize(warmup_epochs=0, learning_rate=0.1, schedule="constant"), 19) == 0.1


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW), ("rmsprop", torch.optim.RMSprop)]
)
def test_groups_keep_their_share_of_the_rate(name, kind):
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    groups = [
        {"params": [p], "rate": rate, "weight_decay": 0.0} for p, rate in zip(parameters, (1.0, 0.1), strict=True)
    ]
    optimize = Optimize(optimizer=name, learning_rate=0.5, warmup_epochs=0, schedule="constant")
    optimizer = optimizer_of(groups, optimize)
    assert isinstance(optimizer, kind)
    set_rate(optimizer, optimize, 3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.05])


def test_the_steepest_fall_before_the_minimum_is_suggested():
    rates = tuple(10.0**e for e in range(-5, 2))
    sweep = Sweep(rates=rates, losses=(2.3, 2.29, 2.2, 1.2, 1.0, 1.5, 4.0))
    assert sweep.suggestion == pytest.approx(1e-2)
    with pytest.raises(EdgekitError, match="did not fall"):
        _ = Sweep(rates=rates, losses=(1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)).suggestion


def test_the_finder_finds_a_rate_that_trains(lenet_recipe, training):
    sweep = find_learning_rate(lenet_recipe(), training, steps=60, workers=0)
    assert 1e-3 < sweep.suggestion < 1.5


def test_bad_pictures_are_counted_named_and_bounded(training):
    sources = list(training.sources)
    sources[3], sources[7] = b"not a picture", b""
    broken = type(training)(training.classes, sources, training.names, training.labels)
    preprocess = Preprocess(color="L", mean=0.5, std=0.5)
    with pytest.raises(DataError, match=r"2 of 90 pictures cannot be read, and max_bad allows 1: 3: .*; 7: "):
        check(broken, preprocess, max_bad=1)
    checked = check(broken, preprocess, max_bad=2)
    assert [bad.name for bad in checked.bad] == ["3", "7"]
    assert len(checked.pictures) == 88
    assert checked.pictures.classes == training.classes
    assert sum(checked.counts) == 88
    assert checked.mean_size == checked.smallest == checked.largest == Size(28, 28)


def test_a_class_that_loses_every_picture_is_an_error(training):
    labels = (0,) * 89 + (1,)
    sources = [*training.sources[:89], b"broken"]
    with pytest.raises(DataError, match="no picture of class 'line' can be read"):
        check(
            type(training)(training.classes, sources, training.names, labels),
            Preprocess(color="L", mean=0.5, std=0.5),
            max_bad=5,
        )

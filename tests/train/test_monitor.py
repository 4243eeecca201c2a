"""The choice of the best epoch."""

import pytest

from edgekit.errors import SpecError
from edgekit.train.monitor import best_epoch, monitored_figure


def rows(*figures):
    names = ("val_accuracy", "macro_recall", "val_loss")
    return [{"epoch": n, **dict(zip(names, values, strict=True))} for n, values in enumerate(figures, 1)]


HISTORY = rows((0.7, 0.3, 0.9), (0.9, 0.5, 0.6), (0.8, 0.7, 0.5), (None, None, None), (0.9, 0.6, 0.7))


@pytest.mark.parametrize(("monitor", "epoch"), [("top1", 2), ("map", 2), ("macro-recall", 3), ("loss", 3)])
def test_best_epoch_is_that_of_the_monitored_figure(monitor, epoch):
    assert best_epoch(HISTORY, monitor) == epoch


def test_best_epoch_of_equal_ones_has_the_lower_loss_and_of_those_is_the_first():
    assert best_epoch(rows((1.0, 1.0, 0.3), (1.0, 1.0, 0.1), (1.0, 1.0, 0.1)), "top1") == 2
    assert best_epoch(rows((1.0, None, None), (1.0, 1.0, 0.5)), "top1") == 2  # the first row is of an older version


def test_best_epoch_is_0_if_none_was_evaluated():
    assert best_epoch(rows((None, None, None)), "top1") == best_epoch([], "loss") == 0


def test_monitored_figure_depends_on_the_task_and_is_refused_if_the_images_do_not_have_it(lenet_recipe):
    assert monitored_figure(lenet_recipe(), "single-label") == "top1"
    assert monitored_figure(lenet_recipe(), "multi-label") == "map"
    assert monitored_figure(lenet_recipe(monitor="loss"), "multi-label") == "loss"
    with pytest.raises(SpecError, match=r"'macro-recall' is no figure of images with several labels.* map and loss"):
        monitored_figure(lenet_recipe(monitor="macro-recall"), "multi-label")
    with pytest.raises(SpecError, match=r"'map' is no figure of images with one label.* top1, macro-recall and loss"):
        monitored_figure(lenet_recipe(monitor="map"), "single-label")

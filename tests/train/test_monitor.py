"""The choice of the best epoch."""

import pytest

from edgekit.errors import SpecError
from edgekit.train.monitor import best_epoch, epoch_to_keep, figure_to_exceed, monitored_figure


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


def started(*figures):
    """Rows of a run that started from a solved head."""
    return [row | {"epoch": row["epoch"] - 1} for row in rows(*((figure, figure, loss) for figure, loss in figures))]


@pytest.mark.parametrize("monitor", ["top1", "macro-recall", "map"])
def test_solved_head_is_kept_until_an_epoch_is_better_by_more_than_its_standard_error(monitor):
    head = (0.9, 0.3)  # with two more right and two more wrong of 100: 92 of 104, whose standard error is 0.0313
    assert figure_to_exceed(started(head)[0], monitor, images=100) == pytest.approx(0.9313, abs=1e-4)
    assert epoch_to_keep(started(head, (0.931, 0.1), (0.9, 0.1)), monitor, images=100) == 0
    assert epoch_to_keep(started(head, (0.931, 0.1), (0.932, 0.4)), monitor, images=100) == 2
    assert epoch_to_keep(started(head, (0.91, 0.1)), monitor, images=1000) == 1
    assert best_epoch(started(head, (0.901, 0.4)), monitor) == 1


def test_best_epoch_is_kept_if_training_started_from_no_solved_head():
    assert epoch_to_keep(rows((0.9, 0.9, 0.3), (0.901, 0.9, 0.3)), "top1", images=100) == 2
    assert epoch_to_keep(rows((None, None, None)), "top1", images=100) == epoch_to_keep([], "top1", images=100) == 0


def test_solved_head_is_not_kept_if_the_loss_becomes_lower():
    assert epoch_to_keep(started((0.9, 0.3), (0.5, 0.29)), "loss", images=10) == 1
    assert epoch_to_keep(started((0.9, 0.3), (0.95, 0.3)), "loss", images=10) == 0


def test_monitored_figure_depends_on_the_task_and_is_refused_if_the_images_do_not_have_it(lenet_recipe):
    assert monitored_figure(lenet_recipe(), "single-label") == "top1"
    assert monitored_figure(lenet_recipe(), "multi-label") == "map"
    assert monitored_figure(lenet_recipe(monitor="loss"), "multi-label") == "loss"
    with pytest.raises(SpecError, match=r"'macro-recall' is no figure of images with several labels.* map and loss"):
        monitored_figure(lenet_recipe(monitor="macro-recall"), "multi-label")
    with pytest.raises(SpecError, match=r"'map' is no figure of images with one label.* top1, macro-recall and loss"):
        monitored_figure(lenet_recipe(monitor="map"), "single-label")

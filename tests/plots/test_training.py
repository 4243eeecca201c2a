"""The plots of a training run draw class names as they are."""

import pytest
import torch
from made_names import HOSTILE_NAMES

from edgekit.plots import training
from edgekit.plots.style import literal
from edgekit.plots.training import write_training_plots

HISTORY = [{"epoch": 1, "loss": 1.0, "train_accuracy": 0.5, "val_accuracy": None, "val_loss": None}]
HISTORY += [{"epoch": 2, "loss": 0.5, "train_accuracy": 0.7, "val_accuracy": 0.6, "val_loss": 0.8}]
for row in HISTORY:
    row |= {"macro_recall": 0.5, "learning_rate": 0.1 / row["epoch"], "seconds": 3.0}


@pytest.mark.filterwarnings("ignore:.* lacks characters")
def test_write_training_plots_draws_class_names_literally(tmp_path, monkeypatch):
    figures = []
    write = training.write_figure
    monkeypatch.setattr(training, "write_figure", lambda figure, path: (figures.append(figure), write(figure, path)))
    confusion = torch.ones(len(HOSTILE_NAMES), len(HOSTILE_NAMES), dtype=torch.int64)
    message = write_training_plots(tmp_path, HISTORY, confusion, classes=HOSTILE_NAMES)
    assert message == f"wrote {tmp_path / 'curves.png'} and {tmp_path / 'confusion.png'}"
    for axis in (figures[1].axes[0].xaxis, figures[1].axes[0].yaxis):
        assert [tick.get_text() for tick in axis.get_ticklabels()] == list(map(literal, HOSTILE_NAMES))
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png", "confusion.png"}


@pytest.mark.parametrize("count", [2, 31])
def test_write_training_plots_names_no_more_classes_than_are_legible(tmp_path, monkeypatch, count):
    figures = []
    monkeypatch.setattr(training, "write_figure", lambda figure, path: figures.append(figure))
    write_training_plots(
        tmp_path, HISTORY, torch.eye(count, dtype=torch.int64), classes=tuple(f"class {n}" for n in range(count))
    )
    labels = {tick.get_text() for tick in figures[1].axes[0].get_xticklabels()}
    assert ("class 1" in labels) == (count == 2)


def test_write_training_plots_draws_losses_accuracies_rate_and_seconds_and_marks_the_kept_epoch(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(training, "write_figure", lambda figure, path: figures.append(figure))
    write_training_plots(tmp_path, HISTORY, None, classes=("a", "b"), kept_epoch=2)
    drawn = {
        (axes.get_ylabel(), line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for axes in figures[0].axes
        for line in axes.get_lines()
    }
    assert drawn["loss", "train"] == ([1, 2], [1.0, 0.5])
    assert drawn["loss", "val"] == ([2], [0.8])
    assert drawn["accuracy, %", "val mAP"] == ([2], [60])
    assert drawn["accuracy, %", "val, macro recall"] == ([1, 2], [50, 50])
    assert next(y for (ylabel, _), (_, y) in drawn.items() if ylabel == "learning rate") == [0.1, 0.05]
    assert all(drawn[axes.get_ylabel(), "kept: epoch 2"][0] == [2, 2] for axes in figures[0].axes)
    assert all(axes.get_ylim()[0] == 0 for axes in figures[0].axes[2:])


def test_write_training_plots_of_a_run_without_rates_and_losses_of_an_older_version(tmp_path):
    older = [row | dict.fromkeys(("val_loss", "macro_recall", "learning_rate")) for row in HISTORY]
    write_training_plots(tmp_path, older, None, classes=("a", "b"), kept_epoch=1)
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_write_training_plots_of_several_labels_has_no_matrix(tmp_path):
    message = write_training_plots(tmp_path, HISTORY, None, classes=("a", "b"))
    assert message == f"wrote {tmp_path / 'curves.png'}"
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]

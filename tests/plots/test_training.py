"""The plots of a training run draw class names as they are."""

import pytest
import torch
from made_names import HOSTILE_NAMES

from edgekit.plots import training
from edgekit.plots.style import literal
from edgekit.plots.training import write_training_plots

HISTORY = [{"epoch": 1, "loss": 1.0, "train_accuracy": 0.5, "val_accuracy": None}]
HISTORY += [{"epoch": 2, "loss": 0.5, "train_accuracy": 0.7, "val_accuracy": 0.6}]


@pytest.mark.filterwarnings("ignore:.* lacks characters")
def test_write_training_plots_draws_class_names_literally(tmp_path, monkeypatch):
    figures = []
    write = training.write_figure
    monkeypatch.setattr(training, "write_figure", lambda figure, path: (figures.append(figure), write(figure, path)))
    confusion = torch.ones(len(HOSTILE_NAMES), len(HOSTILE_NAMES), dtype=torch.int64)
    message = write_training_plots(tmp_path, HISTORY, confusion, HOSTILE_NAMES)
    assert message == f"wrote {tmp_path / 'curves.png'} and {tmp_path / 'confusion.png'}"
    for axis in (figures[1].axes[0].xaxis, figures[1].axes[0].yaxis):
        assert [tick.get_text() for tick in axis.get_ticklabels()] == list(map(literal, HOSTILE_NAMES))
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png", "confusion.png"}


@pytest.mark.parametrize("count", [2, 31])
def test_write_training_plots_names_no_more_classes_than_are_legible(tmp_path, monkeypatch, count):
    figures = []
    monkeypatch.setattr(training, "write_figure", lambda figure, path: figures.append(figure))
    write_training_plots(
        tmp_path, HISTORY, torch.eye(count, dtype=torch.int64), tuple(f"class {n}" for n in range(count))
    )
    labels = {tick.get_text() for tick in figures[1].axes[0].get_xticklabels()}
    assert ("class 1" in labels) == (count == 2)


def test_write_training_plots_of_several_labels_has_no_matrix(tmp_path):
    message = write_training_plots(tmp_path, HISTORY, None, ("a", "b"))
    assert message == f"wrote {tmp_path / 'curves.png'}"
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]

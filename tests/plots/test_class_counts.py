"""The plot of images per class."""

import numpy as np
import pytest
from made_names import HOSTILE_NAMES

from edgekit.plots import class_counts
from edgekit.plots.class_counts import write_class_counts
from edgekit.plots.style import literal


@pytest.fixture
def figures(monkeypatch):
    """The figures that are written."""
    written = []
    monkeypatch.setattr(class_counts, "write_figure", lambda figure, path: written.append(figure))
    return written


def test_write_class_counts_draws_a_bar_for_each_class_the_largest_first(tmp_path, figures):
    counts = {"train": np.array([5, 95, 30]), "val": np.array([1, 19, 0])}
    message = write_class_counts(tmp_path / "counts.png", counts, classes=("a", "b", "c"))
    assert message == f"wrote {tmp_path / 'counts.png'}"
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first is on top
    assert [bar.get_width() for bar in axes.patches] == [95, 30, 5, 19, 0, 1]
    assert [text.get_text() for text in axes.texts] == ["95", "30", "5", "19", "0", "1"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "val"]


def test_write_class_counts_of_many_classes_names_only_the_largest_the_median_and_the_smallest(tmp_path, figures):
    train = np.random.default_rng(0).permutation(np.arange(1, 1001))
    counts = {"train": train, "val": train % 7}
    write_class_counts(tmp_path / "counts.png", counts, classes=tuple(f"class of {count}" for count in train))
    (axes,) = figures[0].axes
    assert axes.get_lines()[0].get_ydata().tolist() == list(range(1000, 0, -1))
    assert axes.get_lines()[1].get_ydata().tolist() == sorted((train % 7).tolist(), reverse=True)
    assert [text.get_text() for text in axes.get_legend().get_texts()][2:] == [
        *("largest: class of 1000, 1000 train images", "median: class of 500, 500 train images"),
        "smallest: class of 1, 1 train images",
    ]
    assert (axes.get_yscale(), axes.get_ylim()[0]) == ("symlog", 0)
    assert not axes.texts


@pytest.mark.filterwarnings("ignore:.* lacks characters")
@pytest.mark.parametrize("more", [0, 30])
def test_write_class_counts_draws_class_names_literally(tmp_path, more):
    names = HOSTILE_NAMES + tuple(f"class {n}" for n in range(more))
    write_class_counts(tmp_path / "counts.png", {"train": np.arange(1, len(names) + 1)[::-1]}, classes=names)
    assert (tmp_path / "counts.png").stat().st_size > 1000
    assert literal(names[0])


def test_write_class_counts_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    message = write_class_counts(tmp_path / "counts.png", {"train": np.array([1, 2])}, classes=("a", "b"))
    assert message == (
        "counts.png was not written: matplotlib is not installed; run: pip install 'edgekit-onnx[report]'"
    )

"""Plots: the format follows the file name, and no partial file is left."""

import warnings

import pytest

from edgekit.errors import DataWarning, EdgekitError, SpecError
from edgekit.plots.style import check_plot, literal, new_figure, write_figure


@pytest.mark.parametrize(("name", "starts"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_write_figure_chooses_the_format_by_the_ending(tmp_path, name, starts):
    figure = new_figure(2, 1)
    figure.subplots().set_title(literal("cost in $ and $x_"))
    write_figure(figure, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(starts)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_write_figure_warns_of_characters_that_the_font_lacks(tmp_path):
    figure = new_figure(2, 1)
    figure.subplots().set_title(literal("日本語"))
    with pytest.warns(DataWarning, match=r"a\.png: matplotlib's font lacks characters of some names"):
        write_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()


def test_write_figure_passes_other_warnings_on(tmp_path):
    figure = new_figure(2, 1)
    figure.savefig = lambda *arguments, **settings: warnings.warn("no room for the axes", UserWarning, stacklevel=1)
    with pytest.warns(UserWarning, match="no room for the axes"):
        write_figure(figure, tmp_path / "a.png")


def test_literal_shortens_what_leaves_no_room_for_the_plot():
    assert literal("x" * 500 + "$") == "x" * 18 + "..." + "x" * 17 + r"\$"
    assert literal("two\nlines \u202e\udcff") == r"two\nlines \u202e\udcff"


def test_check_plot_rejects_another_ending(tmp_path):
    with pytest.raises(SpecError, match=r"unknown file format of a plot '\.jpg'"):
        check_plot(tmp_path / "a.jpg")


def test_write_figure_names_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(EdgekitError, match=r"folder\.png: cannot be written"):
        write_figure(new_figure(1, 1), tmp_path / "folder.png")

"""Plots: the format follows the file name, and no partial file is left."""

import pytest

from edgekit.errors import EdgekitError, SpecError
from edgekit.plots.style import check_plot, literal, new_figure, write_figure


@pytest.mark.parametrize(("name", "starts"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_write_figure_chooses_the_format_by_the_ending(tmp_path, name, starts):
    figure = new_figure(2, 1)
    figure.subplots().set_title(literal("cost in $ and $x_"))
    write_figure(figure, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(starts)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_check_plot_rejects_another_ending(tmp_path):
    with pytest.raises(SpecError, match=r"unknown file format of a plot '\.jpg'"):
        check_plot(tmp_path / "a.jpg")


def test_write_figure_names_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(EdgekitError, match=r"folder\.png: cannot be written"):
        write_figure(new_figure(1, 1), tmp_path / "folder.png")

"""The plot of a search for a penalty."""

from PIL import Image

from edgekit.plots import penalties
from edgekit.plots.penalties import write_penalties


def test_write_penalties_draws_a_line_for_each_way_to_fit_and_marks_the_chosen_one(tmp_path, monkeypatch):
    figures, write = [], penalties.write_figure
    monkeypatch.setattr(penalties, "write_figure", lambda figure, path: (figures.append(figure), write(figure, path)))
    losses = {"centered": [(1.0, 0.7), (0.1, 0.4)], "standardized": [(1.0, 0.6), (0.1, 0.5)]}
    path = tmp_path / "penalties.png"
    assert write_penalties(path, losses, chosen=(0.1, 0.4)) == f"wrote {path}"
    (axes,) = figures[0].axes
    drawn = {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in axes.lines}
    assert drawn == {**losses, "chosen": [(0.1, 0.4)]}
    with Image.open(path) as image:
        assert image.width > 300

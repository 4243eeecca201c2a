"""The figure of crop plans: a row for each plan, nothing on top of anything else."""

from itertools import combinations

import pytest
from made_names import HOSTILE_NAMES

from edgekit.errors import printable, truncated
from edgekit.evaluate.compare_crops import CropComparison, PlanScore
from edgekit.evaluate.intervals import Interval
from edgekit.plots.crops import crop_figure, write_plot
from edgekit.plots.style import COLORS


def score(plan, *, time=1.0, gain=0.0, half=0.01, budget=None):
    interval = Interval(value=gain, low=gain - half, high=gain + half)
    return PlanScore(plan=plan, budget=budget, views=time, time=time, right=0.9 + gain, gain=interval)


def compared(*scores, judged=0.01):
    """A comparison whose last plan is the chosen one; it is recommended if both gains are proven."""
    gain = Interval(value=judged, low=judged - 0.005, high=judged + 0.005)
    center = score("center", half=0)
    return CropComparison(
        images=500, is_labeled=True, center_wrong=50, scores=(center, *scores), choice=scores[-1], gain=gain
    )


def adaptive(budget, gain):
    return score("adaptive", budget=budget, time=budget, gain=gain)


ALIKE = [score(f"plan {number}", time=1.9) for number in range(40)]
CASES = {
    "usual": compared(score("flip", time=1.9), score("ten", time=9.1), adaptive(1.1, 0.004), adaptive(1.25, 0.02)),
    "not recommended": compared(score("wide"), adaptive(1.25, 0.02), judged=-0.01),
    "one plan": compared(adaptive(1.1, -0.001)),
    "alike": compared(*ALIKE, *(adaptive(1 + number / 1000, 0.0) for number in range(10))),
    "far worse": compared(score("whole", gain=-0.7), score("w" * 60, time=1.2, gain=-0.3), adaptive(1.5, 0.02)),
    "144 views": compared(score("multi-scale", time=130), score("grid:16x16", time=230), score("ten", time=9)),
}


def drawn_boxes(figure):
    """The box of every text, by the text."""
    figure.draw_without_rendering()
    legend = figure.legends[0]
    labels = [*figure.axes[0].get_yticklabels(), *legend.get_texts(), legend.get_title()]
    for axes in figure.axes:
        first, last = axes.get_xlim()  # other ticks are not drawn
        labels += [label for label in axes.get_xticklabels() if first <= label.get_position()[0] <= last]
        labels += [*axes.texts, axes.xaxis.label]
    return [(label.get_text(), label.get_window_extent()) for label in labels if label.get_text()]


def drawn_points(figure):
    """The places of all points in both diagrams."""
    for axes in figure.axes:
        places = [line.get_xydata() for line in axes.lines if line.get_marker() in ("o", "<")]
        places += [points.get_offsets() for points in axes.collections if len(points.get_offsets()) > 1]
        yield from (axes.transData.transform(place) for group in places for place in group)


@pytest.mark.parametrize("case", CASES)
def test_no_text_covers_another_or_a_point_or_leaves_the_figure(case):
    figure = crop_figure(CASES[case], metric="top-1")
    boxes, points = drawn_boxes(figure), list(drawn_points(figure))
    for (one, box), (other, other_box) in combinations(boxes, 2):
        assert not box.overlaps(other_box), (one, other)
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
        assert not any(box.contains(*point) for point in points), text
    assert len(points) == 2 * len(CASES[case].scores)


def test_plan_that_is_recommended_is_marked_otherwise_the_center_crop():
    for comparison, name, text in (
        (CASES["usual"], "adaptive 1.25", "recommended"),
        (CASES["not recommended"], "center", "center: no plan is recommended"),
    ):
        figure = crop_figure(comparison, metric="top-1")
        bold = [label.get_text() for label in figure.axes[0].get_yticklabels() if label.get_fontweight() == "bold"]
        assert [label.split("   ")[0] for label in bold] == [name]
        assert figure.legends[0].get_texts()[0].get_text() == text
        (point,) = {
            tuple(line.get_xydata()[0])
            for line in figure.axes[0].lines
            if line.get_color() == COLORS[1] and len(line.get_xydata())
        }
        best = comparison.recommended or comparison.scores[0]
        assert point[0] == pytest.approx(100 * best.gain.value)


@pytest.mark.filterwarnings("ignore:.* lacks characters")
def test_write_plot_draws_names_literally_and_far_worse_plans_at_the_edge(tmp_path, drawn_texts):
    names = [truncated(printable(name), 40) for name in HOSTILE_NAMES]
    fixed = [score(name, time=2 + number / 10) for number, name in enumerate(HOSTILE_NAMES)]
    comparison = compared(*fixed, score("whole", time=1.1, gain=-0.4), adaptive(1.5, 0.03))
    write_plot(comparison, tmp_path / "a.svg", metric="top-1 $x$")
    drawn = drawn_texts(tmp_path / "a.svg")
    for name in ("center", *names):
        assert any(text.startswith(name) and "90.00%" in text for text in drawn), name
    assert any("-40.0 (-41.0 to -39.0)" in text for text in drawn)
    assert any(text.startswith("top-1 $x$ on 500 images") for text in drawn)

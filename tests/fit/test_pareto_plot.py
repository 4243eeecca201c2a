"""The plot of accuracy over latency: what is on the front, round ticks, tooltips, positions."""

import re

import pytest
from made_reports import Reader

from edgekit.fit.pareto_plot import Mark, accuracy_ticks, kinds, latency_ticks, pareto_plot


def mark(latency_ms, accuracy, *, inside=True, final=True, chosen=False, tooltip="x"):
    return Mark(latency_ms, accuracy, is_inside=inside, is_final=final, is_chosen=chosen, tooltip=tooltip)


def test_kinds_front_has_those_that_no_faster_one_reaches():
    marks = [mark(3, 0.7), mark(1, 0.5), mark(2, 0.4), mark(4, 0.7), mark(2.5, 0.7, inside=False)]
    assert kinds(marks) == ["front", "front", "dominated", "dominated", "outside"]


def test_kinds_of_equally_fast_ones_the_more_accurate_is_on_the_front():
    assert kinds([mark(1, 0.5), mark(1, 0.6), mark(1, 0.6)]) == ["dominated", "front", "dominated"]


def test_kinds_those_that_are_not_final_are_never_on_the_front():
    assert kinds([mark(1, 0.5, final=False), mark(2, 0.4)]) == ["dominated", "front"]


def test_kinds_chosen_one_is_marked_even_if_it_is_dominated():
    assert kinds([mark(1, 0.5), mark(2, 0.4, chosen=True)]) == ["front", "chosen"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.09, 21, [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]),
        (1.7, 5.4, [2, 3, 4, 5]),
        (0.001, 3000, [0.001, 0.01, 0.1, 1, 10, 100, 1000]),
        (4.95, 5.05, [4.96, 4.98, 5, 5.02, 5.04]),
    ],
)
def test_latency_ticks_are_round_numbers(low, high, ticks):
    assert latency_ticks(low, high) == pytest.approx(ticks)


def test_accuracy_ticks_are_round_and_within_0_and_1():
    assert accuracy_ticks(0.61, 0.89) == pytest.approx([0.65, 0.7, 0.75, 0.8, 0.85])
    assert accuracy_ticks(-0.02, 1.02) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def circles(svg):
    return [attributes for tag, attributes in Reader(svg).elements if tag == "circle"]


def test_pareto_plot_draws_faster_left_and_better_higher_with_the_chosen_on_top():
    marks = [mark(2, 0.6, chosen=True), mark(1, 0.5), mark(4, 0.7, inside=False), mark(2, 0.3)]
    svg = pareto_plot(marks, 3, x_title="latency, ms", y_title="accuracy, %")
    found = {circle["class"].split()[1]: (float(circle["cx"]), float(circle["cy"])) for circle in circles(svg)}
    assert found["front"][0] < found["chosen"][0] == found["dominated"][0] < found["outside"][0]
    assert found["outside"][1] < found["chosen"][1] < found["front"][1] < found["dominated"][1]
    assert circles(svg)[-1]["class"] == "mark chosen"
    halves = found["chosen"][0] - found["front"][0], found["outside"][0] - found["chosen"][0]
    assert halves[0] == pytest.approx(halves[1], abs=0.2)  # 1 to 2 ms is as far as 2 to 4


def test_pareto_plot_has_budget_line_and_a_staircase_through_the_front():
    svg = pareto_plot([mark(1, 0.5), mark(2, 0.6), mark(3, 0.7)], 2.5, x_title="x", y_title="y")
    assert "budget 2.5 ms" in Reader(svg).text
    (line,) = [a for tag, a in Reader(svg).elements if a.get("class") == "limit"]
    xs = sorted(float(circle["cx"]) for circle in circles(svg))
    assert xs[1] < float(line["x1"]) < xs[2]
    (path,) = [a["points"] for tag, a in Reader(svg).elements if a.get("class") == "front-line"]
    ys = [float(y) for y in re.findall(r",([\d.]+)", path)]
    assert len(ys) == 5
    assert ys == sorted(ys, reverse=True)


def test_pareto_plot_of_one_candidate_has_no_line_and_stays_inside_the_frame():
    svg = pareto_plot([mark(1, 0.5)], 1, x_title="x", y_title="y")
    assert "front-line" not in svg
    (circle,) = circles(svg)
    assert 46 < float(circle["cx"]) < 466
    assert 26 < float(circle["cy"]) < 296


def test_pareto_plot_shows_recipes_as_escaped_titles():
    svg = pareto_plot([mark(1, 0.5, tooltip="<b>net</b>\n160 px")], 1, x_title="x", y_title="y")
    assert "<title>&lt;b&gt;net&lt;/b&gt;" in svg

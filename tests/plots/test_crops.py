"""The figure of crop plans draws the names of plans and metrics as they are."""

import pytest
from made_names import HOSTILE_NAMES

from edgekit.errors import printable, truncated
from edgekit.evaluate.compare_crops import PlanScore
from edgekit.evaluate.intervals import Interval
from edgekit.plots.crops import write_plot


def score(plan, *, time, right, budget=None):
    gain = Interval(value=0.0, low=-0.1, high=0.1)
    return PlanScore(plan=plan, budget=budget, views=time, time=time, right=right, over_center=gain, over_ten=gain)


@pytest.mark.filterwarnings("ignore:.* lacks characters")
def test_write_plot_draws_names_literally_and_far_worse_plans_at_the_edge(tmp_path, drawn_texts):
    best = score("adaptive", time=1.5, right=0.93, budget=1.5)
    names = [truncated(printable(name), 40) for name in HOSTILE_NAMES]
    fixed = [score(name, time=2 + number / 10, right=0.9) for number, name in enumerate(HOSTILE_NAMES)]
    worse = score("whole", time=1.1, right=0.5)
    write_plot([score("center", time=1, right=0.9), *fixed, worse, best], best, tmp_path / "a.svg", metric="top-1 $x$")
    texts = drawn_texts(tmp_path / "a.svg")
    assert {"center", "whole 50.0", "1.5", "top-1 $x$, %", *names} <= set(texts)

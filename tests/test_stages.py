"""Progress of stages."""

from edgekit.stages import step_counter


def test_step_counter_reports_the_beginning_and_every_step():
    reports = []
    step = step_counter(lambda *report: reports.append(report), "reading", 2)
    assert reports == [("reading", 0, 2)]
    step()
    step()
    assert reports[1:] == [("reading", 1, 2), ("reading", 2, 2)]

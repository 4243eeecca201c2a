"""Numbers that processes share."""

import os

from made_forks import forked

from edgekit.serve.shared_values import SharedValues


def test_shared_values_start_at_zero_and_add_up():
    values = SharedValues(3, 2)
    assert values.totals() == [0.0, 0.0]
    for number in range(3):
        row = values.row(number)
        assert len(row) == 2
        row[0] += number
        row[1] = 0.5
    assert values.totals() == [3.0, 1.5]
    assert list(values.row(2)) == [2.0, 0.5]


def test_shared_values_are_seen_by_every_forked_process():
    values = SharedValues(2, 1)
    values.row(0)[0] = 1.0

    def add():
        values.row(1)[0] = values.row(0)[0] + 40.0
        return 0

    os.waitpid(forked(add), 0)
    assert values.totals() == [42.0]

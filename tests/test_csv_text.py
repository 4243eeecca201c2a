"""CSV lines: quoted as usual, without formulas and escape sequences."""

import csv

import pytest

from edgekit.csv_text import csv_line


@pytest.mark.parametrize("text", ["=1+1", " =1", "+a", "-a", "@a", "＝1", '=HYPERLINK("x")'])
def test_csv_line_disarms_formulas(text):
    (row,) = csv.reader([csv_line([text, "plain", -1.5, None])])
    assert row == [f"'{text}", "plain", "-1.5", ""]


def test_csv_line_quotes_and_escapes():
    (row,) = csv.reader([csv_line(['a "b", c', "x\x1b[31m"])])
    assert row == ['a "b", c', "x\\x1b[31m"]

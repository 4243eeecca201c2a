"""Tables that fit 80 columns, whatever the names in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.cli.layout import text_width
from edgekit.cli.tables import facts, table

LONG, WIDE, WORDY = "very_long_name_" * 20, "図書館" * 60, "tench, Tinca tinca " * 20
HOSTILE = (LONG, WIDE, WORDY, "\x1b[31m" * 40, "0" * 200)
# The headers of the widest tables, with what stands in their columns: n for a name, # for a figure.
TABLES = {
    "evaluate": (
        (
            "model",
            "top-1",
            "95% interval",
            "top-5",
            "macro F1",
            "ECE",
            "uncalibrated ECE",
            "best temperature",
            "best ECE",
        ),
        "n########",
    ),
    "classes": (("class", "images", "AP", "threshold", "precision", "recall", "F1"), "n######"),
    "quantize": (
        ("scheme", "top-1", "agreement", "divergence", "ms 1T", "ms 2T", "speedup", "MB", "peak MB", "verdict"),
        "n########n",
    ),
    "bench": (
        ("model", "precision", "MB", "MACs (M)", "cold start (ms)", "session (ms)", "peak MB", "file to label (ms)"),
        "nn######",
    ),
    "speedups": (("model", "baseline", "measure", "speedup", "interval", ""), "nnn##n"),
    "verify": (("image", "first", "probability", "second", "probability"), "nn#n#"),
    "layers": (("layer", "kind", "output", "parameters", "MACs"), "nnn##"),
    "crops": (("plan", "views", "time", "top-1", "vs center (points)", "vs ten (points)"), "n#####"),
}
FIGURES = ("98.76%", "88.00 to 92.00", "+0.50 (-0.10 to +1.10)", "1,234,567,890", "-", "2.22x")


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def piped(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


def test_table_aligns_numbers_right_and_escapes_control_characters(piped):
    lines = table(("name", "ms"), [("a\x1b", "1.5"), ("bb", "10.25")]).splitlines()
    assert lines == ["name      ms", "-----  -----", "a\\x1b    1.5", "bb     10.25"]


def test_table_aligns_signed_numbers_right_and_names_that_begin_with_a_digit_left(piped):
    lines = table(("file", "gain"), [("1.png", "+0.50 (-0.10 to +1.10)"), ("10.png", "-")]).splitlines()
    assert lines[2:] == ["1.png   +0.50 (-0.10 to +1.10)", "10.png                       -"]


@pytest.mark.parametrize("name", HOSTILE, ids=["long", "wide", "wordy", "escaped", "digits"])
@pytest.mark.parametrize(("header", "kinds"), TABLES.values(), ids=TABLES)
def test_table_fits_80_columns_with_hostile_names(narrow, header, kinds, name):
    rows = [tuple(name if kind == "n" else figure for kind in kinds) for figure in FIGURES]
    lines = table(header, rows).splitlines()
    assert max(map(text_width, lines)) <= 80
    words = " ".join(lines).split()
    assert {word for title in header for word in title.split()} <= set(words)  # no word of a header is broken
    assert {word for figure in FIGURES for word in figure.split()} <= set(words)  # nor a figure


@given(st.lists(st.tuples(*[st.text(max_size=100)] * 6), min_size=1, max_size=5))
def test_table_fits_80_columns_with_any_text(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        assert max(map(text_width, table(("a", "b", "c", "d", "e", "f"), rows).splitlines())) <= 80


def test_table_continues_below_with_the_first_column(narrow):
    header = tuple(f"figure{number}" for number in range(12))
    first, second = table(("name", *header), [("model", *["100.00%"] * 12)]).split("\n\n")
    assert first.splitlines()[2].startswith("model  100.00%")
    assert second.splitlines()[2].startswith("model  100.00%")
    assert (first + second).count("100.00%") == 12


def test_table_breaks_texts_of_the_last_column_between_words(narrow):
    reason = "top-1 drops by 3.20 percentage points (at most 1.00); the speedup is 0.90 (at least 1.00)"
    lines = table(("scheme", "verdict"), [("int8", reason), ("float32", "passes")]).splitlines()
    assert " ".join(line[9:] for line in lines[2:4]) == reason
    assert lines[4] == "float32  passes"


@pytest.mark.parametrize(("header", "kinds"), TABLES.values(), ids=TABLES)
def test_table_in_a_pipe_truncates_no_name(piped, header, kinds):
    rows = [tuple(LONG if kind == "n" else "1.00" for kind in kinds)]
    assert table(header, rows).count(LONG) >= kinds.count("n")


def test_facts_break_values_but_no_command(narrow):
    command = f"edgekit adopt {LONG} -o model.onnx"
    lines = facts([("labels", "cat, " * 30), ("file", LONG), ("adopt with", command)], width=12).splitlines()
    assert lines[-1] == f"adopt with    {command}"
    assert max(map(text_width, lines[:-1])) <= 80
    assert all(line.startswith(" " * 14) for line in lines[1:-2])


def test_facts_in_a_pipe_are_one_line_each(piped):
    assert facts([("labels", "cat, " * 30)], width=12) == f"labels        {'cat, ' * 30}"

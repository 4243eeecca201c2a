"""How text fits the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from edgekit.cli.layout import paragraph, terminal_width, text_width, truncated, wrapped


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("図書館", 6), ("e\u0301", 1), ("ｱ", 1), ("🐟", 2)])
def test_text_width_counts_columns_as_rich_does(text, width):
    assert text_width(text) == cell_len(text) == width


def test_truncated_keeps_both_ends():
    assert truncated("a" * 20 + "b" * 20, 13) == "aaaaa...bbbbb"
    assert truncated("short", 5) == "short"
    assert truncated("図書館図書館", 9) == "図書...館"


@given(st.text(), st.integers(3, 40))
def test_truncated_never_fills_more_columns(text, width):
    assert text_width(truncated(text, width)) <= width


def test_wrapped_breaks_between_words_only():
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("a " + "x" * 30 + " b", 9) == ["a", "xxx...xxx", "b"]
    assert wrapped("a " + "x" * 30, 9, cut=False) == ["a", "x" * 30]


@given(st.text("ab 図", max_size=200), st.integers(3, 40))
def test_wrapped_keeps_every_word_that_fits(text, width):
    lines = wrapped(text, width)
    assert all(text_width(line) <= width for line in lines)
    if all(text_width(word) <= width for word in text.split(" ")):
        assert " ".join(lines).split() == text.split()


def test_terminal_width_is_that_of_columns_or_unknown(monkeypatch, capfd):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() is None  # stdout is a file here
    monkeypatch.setenv("COLUMNS", "100")
    assert terminal_width() == 100
    monkeypatch.setenv("COLUMNS", "many")
    assert terminal_width() is None


def test_paragraph_indents_further_lines_and_is_unchanged_in_a_file(monkeypatch):
    text = "operators: " + "Conv " * 20
    monkeypatch.setenv("COLUMNS", "40")
    first, *others = paragraph(text, indent="  ").splitlines()
    assert others
    assert len(first) <= 40
    assert all(line.startswith("  Conv") and len(line) <= 40 for line in others)
    monkeypatch.delenv("COLUMNS")
    assert paragraph(text) == text

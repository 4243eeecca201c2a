"""The error tree: one line each, safe to print, picklable."""

import pickle

import pytest

from edgekit import errors
from edgekit.errors import EdgekitError, MissingDependency, ParityError, is_unicode, must_be, printable, quote, unknown

TREE = {
    "ImageError": ValueError,
    "ArtifactError": ValueError,
    "SpecError": ValueError,
    "DataError": ValueError,
    "WeightsError": ValueError,
    "ParityError": ArithmeticError,
    "QualityGateError": ValueError,
    "MissingDependency": ImportError,
}


def test_error_tree_is_the_documented_one():
    kinds = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
    ours = {name for name, kind in kinds.items() if issubclass(kind, EdgekitError)}
    assert ours == {"EdgekitError", *TREE}
    for name, built_in in TREE.items():
        assert issubclass(kinds[name], built_in)
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2J", "a\rb", "\u2028", "\u202e", "\udcff", "\x00", "\x9b31m"])
def test_str_of_an_error_is_one_line_that_is_safe_to_print(text):
    message = str(EdgekitError(f"before {text} after"))
    assert message.isprintable()
    assert message.startswith("before ")
    assert message.endswith(" after")
    message.encode("utf-8")


def test_str_of_an_error_keeps_readable_text_and_is_bounded():
    assert str(EdgekitError("naïve 猫 🐈 'quoted' \\n")) == "naïve 猫 🐈 'quoted' \\n"
    assert len(str(EdgekitError("x" * 10**7))) < 3000


def test_printable_of_printable_changes_nothing():
    once = printable("a\nb\x1b[31m\udcff")
    assert printable(once) == once == "a\\nb\\x1b[31m\\udcff"


def test_errors_survive_pickling():
    parity = pickle.loads(pickle.dumps(ParityError("off", measured=0.5, tolerance=0.1)))
    assert (str(parity), parity.measured, parity.tolerance) == ("off", 0.5, 0.1)
    missing = pickle.loads(pickle.dumps(MissingDependency("torch", extra="train")))
    assert missing.extra == "train"
    assert "pip install 'edgekit-onnx[train]'" in str(missing)
    assert str(missing) == str(MissingDependency("torch", extra="train"))
    assert str(pickle.loads(pickle.dumps(errors.ImageError("broken")))) == "broken"


def test_unknown_lists_close_matches():
    assert unknown("crop plan", "tne", ("center", "ten", "five")) == "unknown crop plan 'tne'; did you mean ten?"  # sic
    assert unknown("color", "zzz", ("RGB", "L")) == "unknown color 'zzz'; known: L, RGB"
    assert unknown("model", "x", ()) == "unknown model 'x'; known: none"
    many = [f"name{number:02}" for number in range(40)]
    assert unknown("model", "zzz", many) == f"unknown model 'zzz'; known: {', '.join(many[:12])} and 28 more"


@pytest.mark.parametrize("name", ["m" * 10**7, None, 3, ["model"], 10**5000], ids=lambda name: str(type(name)))
def test_unknown_accepts_any_name_and_truncates_it(name):
    assert len(unknown("model", name, ("mobilenet",))) < 300


class Broken:
    """An object without a repr."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("short", "'short'"),
        (None, "None"),
        ("x" * 198, f"'{'x' * 198}'"),
        ("x" * 199, f"'{'x' * 97}...{'x' * 97}'"),
        (10**5000, "<int>"),
        (Broken(), "<Broken>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_quote_truncates_in_the_middle_and_never_fails(value, text):
    assert quote(value) == text
    assert len(quote(value)) <= 200


def test_must_be_names_the_argument_and_the_value():
    assert must_be("top", "an integer from 1", 0) == "`top` must be an integer from 1 (got 0)"


def test_is_unicode_refuses_names_whose_bytes_are_not_utf_8():
    assert all(map(is_unicode, ("", "cat", "Küche 😀")))
    assert not any(map(is_unicode, ("a\udcff", "\ud83d")))

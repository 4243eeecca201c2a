"""The error tree: one line each, safe to print, picklable."""

import pickle

import pytest

from edgekit import errors
from edgekit.errors import EdgekitError, MissingDependency, ParityError, printable, unknown

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


def test_the_tree_is_what_its_drawing_says():
    kinds = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
    ours = {name for name, kind in kinds.items() if issubclass(kind, EdgekitError)}
    assert ours == {"EdgekitError", *TREE}
    for name, built_in in TREE.items():
        assert issubclass(kinds[name], built_in)
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2J", "a\rb", "\u2028", "\u202e", "\udcff", "\x00", "\x9b31m"])
def test_messages_are_one_line_that_is_safe_to_print(text):
    said = str(EdgekitError(f"before {text} after"))
    assert said.isprintable()
    assert said.startswith("before ")
    assert said.endswith(" after")
    said.encode("utf-8")


def test_messages_keep_what_is_readable_and_are_not_endless():
    assert str(EdgekitError("naïve 猫 🐈 'quoted' \\n")) == "naïve 猫 🐈 'quoted' \\n"
    assert len(str(EdgekitError("x" * 10**7))) < 3000


def test_escaping_twice_changes_nothing():
    once = printable("a\nb\x1b[31m\udcff")
    assert printable(once) == once == "a\\nb\\x1b[31m\\udcff"


def test_errors_cross_process_borders():
    parity = pickle.loads(pickle.dumps(ParityError("off", measured=0.5, tolerance=0.1)))
    assert (str(parity), parity.measured, parity.tolerance) == ("off", 0.5, 0.1)
    missing = pickle.loads(pickle.dumps(MissingDependency("torch", extra="train")))
    assert missing.extra == "train"
    assert "pip install 'edgekit[train]'" in str(missing)
    assert str(missing) == str(MissingDependency("torch", extra="train"))
    assert str(pickle.loads(pickle.dumps(errors.ImageError("broken")))) == "broken"


def test_unknown_names_list_close_matches():
    assert unknown("crop plan", "tne", ("center", "ten", "five")) == "unknown crop plan 'tne'; did you mean ten?"
    assert unknown("color", "zzz", ("RGB", "L")) == "unknown color 'zzz'; known: L, RGB"
    assert unknown("model", "x", ()) == "unknown model 'x'; known: none"


def test_an_endless_unknown_name_is_cut():
    assert len(unknown("model", "m" * 10**7, ("mobilenet",))) < 300

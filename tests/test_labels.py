"""Class names: reading, checking and matching them."""

import unicodedata

import pytest

from edgekit.errors import DataError, SpecError
from edgekit.labels import check_labels, match_labels, rename_classes, similar_names, similar_pairs


def test_match_labels_returns_the_index_of_each_name():
    assert match_labels(["c", "a", "b"], ["a", "b", "c"]) == (2, 0, 1)
    assert match_labels(["b"], ["a", "b", "c"], subset=True) == (1,)


def test_match_labels_matches_equal_lists_by_position_even_if_names_repeat():
    assert match_labels(("crane", "ant", "crane"), ("crane", "ant", "crane")) == (0, 1, 2)


def test_match_labels_lists_names_without_counterpart():
    with pytest.raises(SpecError, match=r"only in the file: 'x'; only in the model: 'b', 'c'; do this"):
        match_labels(["a", "x"], ["a", "b", "c"], owners=("the file", "the model"), error=SpecError, hint="; do this")
    with pytest.raises(DataError, match="only in the first model: none; only in the second model: 'b'"):
        match_labels(["a"], ["a", "b"])


def test_match_labels_compares_in_composed_form():
    composed, decomposed = ("Küche", "Bad"), ("Bad", unicodedata.normalize("NFD", "Küche"))
    assert match_labels(composed, decomposed) == (1, 0)
    assert match_labels(decomposed, composed, subset=True, used={decomposed[1]}) == (1, 0)
    assert rename_classes(["cuisine"], composed, {"cuisine": decomposed[1]}) == ("Küche",)


def test_match_labels_names_labels_that_are_almost_equal():
    with pytest.raises(DataError, match=r"only in the second model: 'cat', 'hot_dog'; 'Cat ' may be 'cat'$"):
        match_labels(["dog", "Cat "], ["cat", "hot_dog", "dog"])


def test_similar_names_ignores_case_blanks_and_what_is_invisible():
    names = ["Cat", "dog", "cat ", "c\u200bat", "hot dog", "hot-dog", "Straße", "STRASSE", "+", "-", " "]
    assert similar_names(names) == [("Cat", "cat ", "c\u200bat"), ("hot dog", "hot-dog"), ("Straße", "STRASSE")]
    assert similar_names(["cat", "dog", "car", "cat"]) == []
    assert similar_pairs(["cat", "dog"], ["Cat", "CAT", "emu"]) == [("cat", "Cat")]


def test_match_labels_refuses_a_name_that_several_labels_share_only_if_it_is_used():
    labels = ["crane", "ant", "crane"]
    with pytest.raises(DataError, match="several labels 'crane'"):
        match_labels(["crane", "ant"], labels, subset=True)
    assert match_labels(["crane", "ant"], labels, subset=True, used={"ant"})[1] == 1


def test_match_labels_names_the_side_that_repeats_a_name():
    with pytest.raises(DataError, match="the first model has several labels 'crane'"):
        match_labels(["crane", "crane", "ant"], ["ant", "crane"])


def test_match_labels_matches_many_labels_in_another_order():
    names = [str(number) for number in range(50_000)]
    assert match_labels(names[::-1], names) == tuple(range(50_000))[::-1]


def test_rename_classes_suggests_close_names_on_both_sides():
    assert rename_classes(["car", "cat"], ["automobile", "cat"], {"car": "automobile"}) == ("automobile", "cat")
    with pytest.raises(DataError, match="unknown class of the images 'carr'; did you mean car"):
        rename_classes(["car"], ["automobile"], {"carr": "automobile"})
    with pytest.raises(DataError, match="unknown label of the model 'automobil'; did you mean automobile"):
        rename_classes(["car"], ["automobile"], {"car": "automobil"})


@pytest.mark.parametrize("labels", [["one"], [], "cat", b"cat"])
def test_check_labels_refuses_fewer_than_two_names_and_strings(labels):
    with pytest.raises(SpecError, match="labels"):
        check_labels(labels)

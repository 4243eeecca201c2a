"""Class names: reading, checking and matching them."""

import pytest

from edgekit.errors import DataError, SpecError
from edgekit.labels import check_labels, match_labels, read_synonyms, rename_classes


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


def test_read_synonyms_accepts_pairs_and_files(tmp_path):
    table = tmp_path / "map.csv"
    table.write_text('auto,car\n"crane, bird","crane"\n')
    assert read_synonyms(["a=b", str(table)]) == {"a": "b", "auto": "car", "crane, bird": "crane"}
    with pytest.raises(DataError, match="must be OLD=NEW or an existing CSV file"):
        read_synonyms(["missing.csv"])
    table.write_text("one,two,three\n")
    with pytest.raises(DataError, match="3 columns"):
        read_synonyms([str(table)])

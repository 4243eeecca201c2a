"""Prediction as a value: equality, repr, HTML, JSON."""

import dataclasses
import json
import pickle
from collections.abc import Hashable
from html.parser import HTMLParser

import numpy as np
import pytest

from edgekit import Prediction, Score
from edgekit.runtime.prediction import Timings

PREDICTION = Prediction(
    top=(Score("cat", 1, 0.75), Score("dog", 0, 0.1875), Score("fox", 2, 0.0625)),
    probabilities=np.array([0.1875, 0.75, 0.0625]),
    uncalibrated=np.array([0.25, 0.5, 0.25]),
    timings=Timings(1, 2, 3),
    logits=np.array([0.0, 1.0, -1.0]),
    views=1,
)


def changed(**fields) -> Prediction:
    return dataclasses.replace(PREDICTION, **fields)


def test_equality_ignores_the_timings_and_compares_all_else():
    assert changed(timings=Timings()) == PREDICTION == pickle.loads(pickle.dumps(PREDICTION))
    for fields in (
        {"top": PREDICTION.top[:1]},
        {"probabilities": PREDICTION.probabilities[::-1]},
        {"probabilities": PREDICTION.probabilities[:2]},
        {"uncalibrated": PREDICTION.probabilities},
        {"logits": PREDICTION.logits + 1},
        {"views": 2},
        {"unknown_below": 0.5},
    ):
        assert changed(**fields) != PREDICTION
    assert PREDICTION != "cat"


def test_predictions_have_no_hash():
    assert not isinstance(PREDICTION, Hashable)
    with pytest.raises(TypeError, match="unhashable"):
        hash(PREDICTION)


def test_repr_is_short_and_safe():
    assert repr(PREDICTION) == "Prediction('cat' 0.750, 'dog' 0.188, 'fox' 0.062)"
    assert repr(changed(top=(*PREDICTION.top, PREDICTION.top[0]))).endswith("'fox' 0.062, ...)")
    assert repr(changed(unknown_below=0.8)) == "Prediction(unknown: 'cat' 0.750, 'dog' 0.188, 'fox' 0.062)"
    hostile = repr(changed(top=(Score("\x1b[2J" + "x" * 10**6, 0, 1.0),)))
    assert hostile.isprintable()
    assert len(hostile) < 300


class Page(HTMLParser):
    """The tags, attributes and text of a piece of HTML, which must close what it opens."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes, self.texts, self.open_tags = [], [], []
        self.feed(html)
        assert self.open_tags == []

    def handle_starttag(self, tag, attributes):
        self.open_tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


def test_html_shows_a_bar_beside_each_label():
    page = Page(PREDICTION._repr_html_())
    assert page.texts == ["cat", "75.0%", "dog", "18.8%", "fox", "6.2%"]
    widths = [style.rpartition("width:")[2] for _, style in page.attributes if "background" in style]
    assert widths == ["75.0%", "18.8%", "6.2%"]
    assert {name for name, _ in page.attributes} == {"style"}  # no class, no script, nothing fetched
    assert Page(changed(unknown_below=0.8)._repr_html_()).texts[0] == "unknown: no class reaches 80.0%"


def test_html_escapes_labels():
    label = "<script>alert('1')</script>\x1b&amp;"
    html = changed(top=(Score(label, 0, 1.0),))._repr_html_()
    assert Page(html).texts[0] == r"<script>alert('1')</script>\x1b&amp;"
    assert "<script" not in html


def test_to_dict_is_json_ready_and_marks_the_unknown():
    expected = {
        "top": [
            {"label": score.label, "index": score.index, "probability": score.probability} for score in PREDICTION.top
        ]
    }
    assert json.loads(json.dumps(PREDICTION.to_dict())) == expected
    assert changed(unknown_below=0.8).to_dict() == expected | {"unknown": True}

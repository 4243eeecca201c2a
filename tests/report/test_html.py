"""Building HTML without injection."""

from made_reports import HOSTILE

from edgekit.report.html import Markup, element, escape, short_label


def test_element_escapes_everything_but_markup():
    inner = element("b", {"title": '"<'}, "<i>")
    assert inner == '<b title="&quot;&lt;">&lt;i&gt;</b>'
    assert element("p", {}, inner, Markup("<br>"), [inner]) == f"<p>{inner}<br>{inner}</p>"
    assert all("<" not in escape(label) for label in HOSTILE)


def test_short_label_ends_at_the_first_comma():
    assert short_label("great white shark, white shark, man-eater") == "great white shark"
    assert short_label("a, b") == "a, b"
    assert short_label("," * 30) == "," * 30

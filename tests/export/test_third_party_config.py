"""How several configurations complete each other."""

from edgekit.export.third_party_config import ThirdPartyConfig

PIXELS = ThirdPartyConfig(preprocess={"mean": 0.5}, bgr=True, sources={"mean": "a.json", "bgr": "a.json"})
LABELS = ThirdPartyConfig(labels=("x", "y"), license="MIT", sources={"labels": "b.txt", "license": "b.txt"})


def test_over_completes_what_the_first_does_not_fix():
    both = PIXELS.over(LABELS)
    assert (both.preprocess, both.bgr, both.labels, both.license) == ({"mean": 0.5}, True, ("x", "y"), "MIT")
    assert both.source_lines() == ("mean, bgr: a.json", "labels, license: b.txt")
    assert LABELS.over(PIXELS).preprocess == {"mean": 0.5}


def test_over_does_not_mix_the_preprocessing_of_two():
    other = ThirdPartyConfig(
        preprocess={"mean": 0.1, "std": 0.2}, labels=("p", "q"), sources={"mean": "c", "std": "c", "labels": "c"}
    )
    both = PIXELS.over(other)
    assert both.preprocess == {"mean": 0.5}
    assert (both.bgr, other.over(PIXELS).bgr) == (True, None)
    assert both.source_lines() == ("mean, bgr: a.json", "labels: c")

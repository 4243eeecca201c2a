"""The metadata that Ultralytics' exporter writes."""

import pytest

from edgekit import Preprocess, Size
from edgekit.errors import EdgekitError
from edgekit.export.configs import ultralytics

METADATA = {
    "description": "Ultralytics YOLO11n-cls model",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    "task": "classify",
    "imgsz": "[224, 224]",
    "names": "{0: 'tench', 1: \"gold'fish\"}",
    "stride": "1",
}


def test_read_takes_size_names_and_license():
    found = ultralytics.read(METADATA)
    assert Preprocess.from_dict(dict(found.preprocess)) == Preprocess(resize=224, mean=0.0, std=1.0)
    assert (found.labels, found.license) == (("tench", "gold'fish"), "AGPL-3.0")
    assert found.sources["labels"] == "metadata of the model (Ultralytics)"
    wide = ultralytics.read({**METADATA, "imgsz": "[160, 224]"})
    assert wide.preprocess["resize"] == Size(160, 224)
    assert wide.preprocess["fit"] == "squash"


def test_is_ultralytics_needs_the_keys_of_its_exporter():
    assert ultralytics.is_ultralytics(METADATA)
    assert not ultralytics.is_ultralytics({"task": "classify"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "detect"}, "the model's task is 'detect'; edgekit runs classifiers"),
        ({"imgsz": "[224]"}, "imgsz must be 2 integers"),
        ({"imgsz": "__import__('os')"}, "imgsz: neither valid JSON nor a list or dict"),
        ({"names": "{0: 'a', 5: 'b'}"}, "names: the indices of 2 classes must be 0 to 1"),
        ({"names": "[" * 100_000}, "names: neither valid JSON nor"),
        ({"names": "a" * (2**20 + 1)}, "names: neither valid JSON nor"),
    ],
)
def test_read_refuses_other_tasks_and_malformed_values(changes, message):
    with pytest.raises(EdgekitError, match=message):
        ultralytics.read({**METADATA, **changes})

"""Images that are in both sets, found by their bytes."""

import numpy as np
import pytest

from edgekit.dataset import ImageSet
from edgekit.dataset.leaks import Leak, find_leaks, require_no_leaks
from edgekit.errors import DataError


def image_set(**sources):
    return ImageSet(("a",), list(sources.values()), tuple(sources), (0,) * len(sources))


def test_find_leaks_compares_files_of_equal_size(tmp_path):
    for name, content in {
        "one": b"123",
        "two": b"124",
        "three": b"123",
        "four": b"1",
        "empty": b"",
        "none": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    paths = {name: tmp_path / name for name in ("one", "two", "three", "four", "empty", "none")}
    training = image_set(one=paths["one"], two=paths["two"], empty=paths["empty"], absent=tmp_path / "absent")
    validation = image_set(four=paths["four"], three=paths["three"], none=paths["none"], packed=b"124")
    assert find_leaks(training, validation) == (Leak("one", "three"), Leak("two", "packed"))
    assert find_leaks(validation, image_set(four=paths["one"])) == (Leak("three", "four"),)


def test_find_leaks_compares_arrays_by_shape_and_values():
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    training = image_set(a=images[0], b=images[1].reshape(1, 4))
    assert find_leaks(training, image_set(c=images[1], d=images[0].copy())) == (Leak("a", "d"),)


def test_require_no_leaks_names_some_and_counts_all():
    require_no_leaks((), count=3)
    leaks = [Leak(f"t{number}", f"v{number}") for number in range(9)]
    names = "'v0' = 't0', 'v1' = 't1', 'v2' = 't2' and 6 more"
    with pytest.raises(DataError, match=rf"9 of 40 val images are also training images.*{names}.*`allow_leaks`"):
        require_no_leaks(leaks, count=40)

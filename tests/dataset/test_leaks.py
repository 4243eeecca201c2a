"""Images that are in both sets, found by their bytes or their pixels."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from edgekit.dataset import ImageSet
from edgekit.dataset.leaks import Leak, check_leaks, find_leaks, find_pixel_leaks, fingerprint
from edgekit.errors import DataError, DataWarning
from edgekit.image.load import load_image


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


def encoded(pixels, format, **options):
    file = BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def pixel_leaks(training, validation, color="RGB"):
    fingerprints = tuple(
        [fingerprint(load_image(source, color=color).pixels) for source in images.sources]
        for images in (training, validation)
    )
    return find_pixel_leaks(training, validation, fingerprints=fingerprints, color=color)


def test_find_pixel_leaks_compares_what_the_network_sees():
    noise = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), np.uint8)
    turned = Image.Exif()
    turned[274] = 8
    training = image_set(
        png=encoded(noise[0], "PNG"), turned=encoded(np.rot90(noise[1], -1), "PNG", exif=turned), jpeg=b""
    )
    training.sources[2] = encoded(noise[2], "JPEG")
    decoded = np.asarray(Image.open(BytesIO(training.sources[2])))
    validation = image_set(
        bmp=encoded(noise[0], "BMP"), upright=noise[1], other=noise[2], saved_again=encoded(decoded, "TIFF")
    )
    assert find_leaks(training, validation) == ()
    expected = (Leak("png", "bmp"), Leak("turned", "upright"), Leak("jpeg", "saved_again"))
    assert pixel_leaks(training, validation) == expected


def test_find_pixel_leaks_depends_on_the_color_mode():
    colors = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    gray = np.asarray(load_image(colors, color="L").pixels)
    assert pixel_leaks(image_set(a=colors), image_set(b=gray), "L") == (Leak("a", "b"),)
    assert pixel_leaks(image_set(a=colors), image_set(b=gray), "RGB") == ()


def test_find_pixel_leaks_compares_all_pixels_of_images_with_equal_fingerprints():
    blank = np.full((100, 100, 3), 255, np.uint8)
    images = [blank.copy() for _ in range(3)]
    images[1][0, 0] = 0  # lies between those that the fingerprint samples
    images[2][0, 0] = 1
    assert len({fingerprint(Image.fromarray(image)) for image in images}) == 1
    training, validation = image_set(a=images[0], b=images[1]), image_set(c=images[2], d=images[1].copy())
    assert pixel_leaks(training, validation) == (Leak("b", "d"),)


def test_fingerprint_distinguishes_sizes_and_modes():
    images = [Image.new(mode, size) for mode in ("L", "RGB") for size in ((9, 4), (4, 9), (100, 40))]
    assert len(set(map(fingerprint, images))) == len(images)


def test_check_leaks_names_some_and_counts_all():
    check_leaks((), count=3)
    leaks = [Leak(f"t{number}", f"v{number}") for number in range(9)]
    names = "9 of 40 val images are also training images.*'v0' = 't0', 'v1' = 't1', 'v2' = 't2' and 6 more"
    with pytest.raises(DataError, match=rf"{names}; .*`allow_leaks`"):
        check_leaks(leaks, count=40)
    with pytest.warns(DataWarning, match=rf"{names}$"):
        check_leaks(leaks, count=40, allowed=True)

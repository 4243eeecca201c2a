"""Loading images: every kind of source, mode and orientation, and every refusal."""

import io
import os
import struct
import threading
import zlib
from operator import ge
from pathlib import Path

import made_images
import numpy as np
import pytest
from made_images import BROKEN_EXIF, CORNERS, WRITERS, encoded, exif, quadrants
from PIL import Image

from edgekit.errors import DataWarning, ImageError
from edgekit.image.decode_limits import ImageLimits
from edgekit.image.load import load_image, open_image
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess

# For each EXIF orientation (CIPA DC-008, table 6), how the upright array becomes the stored one.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def load(source, *, color="RGB", min_size=None, **options) -> Image.Image:
    return open_image(source, **options).decode(color, min_size=min_size).pixels


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    return [image.getpixel(at) for at in ((2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3))]


def assert_quadrants(image: Image.Image, *, within: int = 12) -> None:
    assert image.mode == "RGB"
    np.testing.assert_allclose(corners(image), CORNERS, atol=within)


@pytest.mark.parametrize("form", WRITERS)
def test_load_image_decodes_every_format(form):
    assert_quadrants(load(encoded(quadrants(), form)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_load_image_turns_images_upright(form, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](np.asarray(quadrants()))))
    block = Image.Exif()
    block[0x0112] = orientation
    image = load(encoded(stored, form, exif=block.tobytes()))
    assert (image.height, image.width) == (32, 48)
    assert_quadrants(image)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_load_image_ignores_invalid_orientations(orientation):
    assert_quadrants(load(encoded(quadrants(), "JPEG", exif=exif(orientation))))


@pytest.mark.filterwarnings("ignore:.*EXIF")
@pytest.mark.parametrize("broken", BROKEN_EXIF)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_load_image_ignores_a_broken_exif_block(form, broken):
    assert_quadrants(load(encoded(quadrants(), form, exif=exif(1, broken=broken))))


def test_load_image_turns_a_pil_image_without_changing_it():
    stored = Image.open(io.BytesIO(encoded(quadrants().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif(6))))
    assert_quadrants(load(stored))
    assert stored.size == (32, 48)


def test_load_image_accepts_every_kind_of_source(tmp_path):
    data = encoded(quadrants(), "PNG")
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        images = [load(source) for source in (str(path), path, data, bytearray(data), memoryview(data), file)]
    images += [load(quadrants()), load(np.asarray(quadrants())), load(io.BytesIO(data))]
    for image in images:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(quadrants()))


def test_load_image_reads_a_pipe_to_its_end():
    data = encoded(made_images.noise(200, 200), "PNG")
    reader, writer = os.pipe()
    thread = threading.Thread(
        target=lambda: (os.write(writer, data[:50_000]), os.write(writer, data[50_000:]), os.close(writer))
    )
    thread.start()
    with os.fdopen(reader, "rb", buffering=0) as file:
        assert load(file).size == (200, 200)
    thread.join()


# -- modes ------------------------------------------------------------------------------------------------------------


def test_load_image_scales_16_bit_gray():
    values = np.array([[0, 128, 129, 257 * 7, 32768, 65535]], np.uint16)
    expected = [[0, 0, 1, 7, 128, 255]]  # value / 257, rounded
    for form in ("PNG", "TIFF"):
        image = load(encoded(Image.fromarray(values), form), color="L")
        np.testing.assert_array_equal(np.asarray(image), expected)
    pgm = b"P5 6 1 65535\n" + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(np.asarray(load(pgm, color="L")), expected)
    np.testing.assert_array_equal(np.asarray(load(pgm))[..., 1], expected)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_load_image_warns_of_16_bit_gray_that_is_almost_black(kind):
    dim = Image.fromarray(np.full((4, 4), 4095, kind))
    with pytest.warns(DataWarning, match="16-bit values reach only 4095 of 65535"):
        assert np.asarray(load_image(dim).pixels).max() == 16


def test_load_image_refuses_8_bit_values_in_32_bits():
    with pytest.raises(ImageError, match="32-bit integers from 0 to 255 have no known range"):
        load_image(Image.fromarray(np.array([[0, 255]], np.int32)))


def test_load_image_scales_every_row_of_a_tall_16_bit_image():
    values = np.arange(300 * 5, dtype=np.uint16).reshape(300, 5) * 43
    image = load(encoded(Image.fromarray(values), "PNG"), color="L")
    np.testing.assert_array_equal(np.asarray(image), np.rint(values / 257).astype(np.uint8))


def test_load_image_scales_16_bit_rgb():
    values = np.array([[[65535, 0, 257 * 9], [257 * 200, 257 * 100, 0]]], np.uint16)
    np.testing.assert_array_equal(np.asarray(load(made_images.png16_rgb(values))), values // 257)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_load_image_makes_a_transparent_palette_color_white(form):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((0, 0), 0)
    loaded = load(encoded(image, form, transparency=0))
    assert loaded.getpixel((0, 0)) == (255, 255, 255)
    assert loaded.getpixel((3, 3)) == (200, 0, 0)


def test_load_image_makes_a_transparent_rgb_color_white():
    loaded = load(encoded(quadrants(), "PNG", transparency=CORNERS[0]))
    assert loaded.getpixel((0, 0)) == (255, 255, 255)
    assert loaded.getpixel((40, 30)) == CORNERS[3]


@pytest.mark.parametrize(
    ("mode", "color", "expected"), [("LA", 40, (148,) * 3), ("RGBA", (250, 50, 0), (252, 153, 128))]
)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_load_image_composites_transparency_on_white(mode, color, expected, form):
    pixel = (*((color,) if isinstance(color, int) else color), 127)
    loaded = load(encoded(Image.new(mode, (3, 3), pixel), form))
    np.testing.assert_allclose(loaded.getpixel((1, 1)), expected, atol=1)
    gray = load(encoded(Image.new(mode, (3, 3), pixel), form), color="L")
    assert gray.mode == "L"


def test_load_image_reads_1_bit_images():
    image = Image.new("1", (9, 2), 1)
    image.putpixel((0, 0), 0)
    loaded = load(encoded(image, "PNG"))
    assert loaded.getpixel((0, 0)) == (0, 0, 0)
    assert loaded.getpixel((8, 1)) == (255, 255, 255)


@pytest.mark.parametrize("adobe", [True, False])
def test_load_image_reads_cmyk_jpegs_with_the_right_polarity(adobe):
    """Adobe writes inverted inks and marks them with an APP14 segment; files that lost it are read the same way."""
    data = encoded(Image.new("CMYK", (16, 16), (0, 200, 250, 0)), "JPEG", quality=95)  # magenta and yellow: red
    at = data.index(b"\xff\xee")
    unmarked = data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]
    np.testing.assert_allclose(load(data if adobe else unmarked).getpixel((8, 8)), (255, 55, 5), atol=6)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_load_image_uses_the_first_frame(form):
    others = [Image.new("RGB", (48, 32), color) for color in ("black", "white")]
    assert_quadrants(load(encoded(quadrants(), form, save_all=True, append_images=others)))


def test_load_image_converts_gray_to_rgb_only_on_request():
    gray = Image.linear_gradient("L")
    np.testing.assert_array_equal(np.asarray(load(encoded(gray, "PNG"), color="L")), np.asarray(gray))
    np.testing.assert_array_equal(np.asarray(load(encoded(gray, "PNG")))[..., 2], np.asarray(gray))


@pytest.mark.parametrize("mode", ["F", "La"])
def test_load_image_refuses_modes_without_a_known_range(mode):
    with pytest.raises(ImageError, match=mode):
        load(Image.new(mode, (4, 4)))


def test_load_image_refuses_32_bit_values_outside_16_bits():
    assert load(Image.fromarray(np.full((2, 2), 65535, np.int32)), color="L").getpixel((0, 0)) == 255
    for value in (65536, -1):
        with pytest.raises(ImageError, match="no known range"):
            load(Image.fromarray(np.full((2, 2), value, np.int32)))


# -- arrays -----------------------------------------------------------------------------------------------------------


def test_load_image_accepts_arrays_of_every_memory_layout():
    rgb = np.asarray(quadrants())
    for array in (rgb, rgb.copy(order="F"), np.repeat(rgb, 2, axis=1)[:, ::2], np.flip(np.flip(rgb, 1).copy(), 1)):
        np.testing.assert_array_equal(np.asarray(load(array)), rgb)
    np.testing.assert_array_equal(np.asarray(load(rgb[..., 0]))[..., 2], rgb[..., 0])
    np.testing.assert_array_equal(np.asarray(load(rgb[..., :1], color="L")), rgb[..., 0])
    opaque = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(np.asarray(load(opaque)), rgb)


@pytest.mark.parametrize(
    "array",
    [
        np.full((4, 4, 3), np.nan),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4), bool),
        np.zeros((4, 4), object),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.zeros((0, 0, 0), np.uint8),
        np.broadcast_to(np.uint8(0), (10_000, 10_000)),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_load_image_refuses_arrays_that_are_not_images(array):
    with pytest.raises(ImageError) as caught:
        load(array)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("source", [None, 7, ["a.jpg"], {"path": "a.jpg"}, object()], ids=repr)
def test_load_image_refuses_sources_of_other_types(source):
    with pytest.raises(ImageError, match="cannot read an image from"):
        load(source)


# -- files that are not images ---------------------------------------------------------------------------------------


def unreadable_paths(folder: Path) -> dict[str, str]:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "empty").touch()
    paths = {name: str(folder / name) for name in ("folder", "fifo", "circle", "empty", "absent")}
    paths["not a folder"] = str(folder / "empty" / "image.jpg")
    return paths | {"device": "/dev/zero", "zero byte": "a\0b", "long": "x" * 5000, "surrogate": "a\udcff", "none": ""}


def test_load_image_refuses_anything_but_a_regular_file_at_once(tmp_path):
    for kind, path in unreadable_paths(tmp_path).items():
        with pytest.raises(ImageError) as caught:
            load(path)
        assert str(caught.value).isprintable(), kind


@pytest.mark.parametrize("name", ["new\nline.png", "\x1b[31mred.png", "\u202egnp.exe.png", b"\xff\xfe.png"])
def test_load_image_escapes_control_characters_of_file_names_in_messages(tmp_path, name):
    path = Path(tmp_path, os.fsdecode(name))
    path.write_bytes(b"nothing")
    with pytest.raises(ImageError) as caught:
        load(path)
    assert str(caught.value).isprintable()
    path.write_bytes(encoded(quadrants(), "PNG"))
    assert_quadrants(load(path))


def test_load_image_reports_file_objects_that_fail():
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(ImageError, match="closed"):
        load(closed)
    with pytest.raises(ImageError, match="binary mode"):
        load(io.StringIO("text"))


# -- limits -----------------------------------------------------------------------------------------------------------


def test_load_image_applies_limits_exactly(tmp_path):
    data = encoded(quadrants(), "PNG")
    path = tmp_path / "image.png"
    path.write_bytes(data)
    for source in (data, path, io.BytesIO(data)):
        with pytest.raises(ImageError, match=f"limit of {len(data) - 1} bytes"):
            load(source, limits=ImageLimits(max_bytes=len(data) - 1))
    load(path, limits=ImageLimits(max_bytes=len(data), max_pixels=48 * 32))
    for source in (data, quadrants(), np.asarray(quadrants())):
        with pytest.raises(ImageError, match="limit of 1535 pixels"):
            load(source, limits=ImageLimits(max_pixels=48 * 32 - 1))


def test_load_image_stops_reading_an_endless_stream_at_the_limit():
    class Endless(io.RawIOBase):
        bytes_read = 0

        def read(self, count: int = -1) -> bytes:
            count = min(count, 4096)
            self.bytes_read += count
            return bytes(count)

    stream = Endless()
    with pytest.raises(ImageError, match="limit of 100000 bytes"):
        load(stream, limits=ImageLimits(max_bytes=100_000))
    assert stream.bytes_read == 100_001


def test_load_image_allows_half_the_pixels_of_formats_that_need_several_copies():
    limits = ImageLimits(max_pixels=48 * 32 * 2 - 1)
    load(encoded(quadrants(), "PNG"), limits=limits)
    for data in (
        encoded(quadrants(), "WEBP"),
        encoded(quadrants(), "AVIF"),
        encoded(quadrants().convert("CMYK"), "JPEG"),
    ):
        with pytest.raises(ImageError, match="limit of 1535 pixels"):
            load(data, limits=limits)


def test_load_image_reads_progressive_jpegs_and_refuses_hundreds_of_scans():
    data = encoded(quadrants(), "JPEG", progressive=True)
    assert_quadrants(load(data))
    with pytest.raises(ImageError, match="scans"):
        load(made_images.many_scans(data, 100))


def test_load_image_refuses_a_text_chunk_that_unpacks_to_4_mb():
    text = b"x\0\0" + zlib.compress(bytes(4 * 2**20))
    data = made_images.png(
        [made_images.png_header(1, 1), (b"zTXt", text), (b"IDAT", zlib.compress(bytes(4))), (b"IEND", b"")]
    )
    with pytest.raises(ImageError, match="too large"):
        load(data)


# -- reduced scale ---------------------------------------------------------------------------------------------------


HALF = Size(16, 24)  # half of quadrants()


@pytest.mark.parametrize("form", ["JPEG", "MPO"])
@pytest.mark.parametrize("orientation", STORED)
def test_decode_reduces_a_jpeg_to_the_smallest_sufficient_scale(form, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](np.asarray(quadrants(480, 320)))))
    opened = open_image(encoded(stored, form, exif=exif(orientation)))
    assert opened.size == Size(320, 480)
    loaded = opened.decode(min_size=Size(80, 110))
    assert loaded.pixels.size == (120, 80)
    assert loaded.size == Size(320, 480)
    assert_quadrants(loaded.pixels)


def test_in_full_decodes_a_reduced_image_again_even_if_its_pixels_were_replaced():
    loaded = open_image(encoded(quadrants(1200, 800), "JPEG")).decode(min_size=Size(200, 300))
    copied = loaded._replace(pixels=loaded.pixels.copy())
    assert (copied.pixels.size, copied.size) == ((300, 200), Size(800, 1200))
    for image in (loaded, copied, loaded.in_color("L")):
        full = image.in_full()
        assert (full.pixels.size, full.size, full.pixels.mode) == ((1200, 800), Size(800, 1200), image.pixels.mode)
        assert full.in_full() is None
    assert_quadrants(copied.in_full().pixels)


def test_decode_can_be_repeated_at_other_scales():
    opened = open_image(encoded(quadrants(1200, 800), "JPEG"))
    min_sizes = [None, Size(100, 150), None, Size(400, 600), Size(100, 150)]
    loaded = [opened.decode(min_size=min_size) for min_size in min_sizes]
    assert [image.pixels.width for image in loaded] == [1200, 150, 1200, 600, 150]
    assert {image.size for image in loaded} == {Size(800, 1200)}


def test_decode_reports_a_jpeg_without_image_data():
    opened = open_image(encoded(quadrants(), "JPEG"))
    opened.image.tile = []
    broken = opened._replace(jpeg=opened.jpeg._replace(data=b"\xff\xd8 nothing"))
    with pytest.raises(ImageError):
        broken.decode()


@pytest.mark.parametrize("orientation", STORED)
def test_decode_keeps_the_geometry_of_a_reduced_jpeg(orientation):
    """65 columns at 1/8 decode to 9. Treated as 72, they would shift the far end by a tenth of the image."""
    across, down = np.meshgrid(np.linspace(30, 220, 129), np.linspace(30, 220, 65))
    upright = np.stack([across, down, np.full_like(down, 120)], axis=2).astype(np.uint8)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    data = encoded(stored, "JPEG", quality=100, subsampling=0, exif=exif(orientation))
    full, reduced = load_image(data), open_image(data).decode(min_size=Size(8, 16))
    assert max(reduced.pixels.size) == 17
    assert reduced.size == full.size == Size(65, 129)
    spec = Preprocess(resize=16, crop=Size(16, 24))
    for only_box in (False, True):
        first, second = (spec.pixels(image, whole=not only_box)[0].astype(int) for image in (full, reduced))
        inner = np.abs(first - second)[1:-1]  # the filter has less support at the border
        assert inner.max() <= 6
        assert inner.mean() <= 2


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "JPEG"])
def test_decode_ignores_min_size_for_other_formats(form):
    assert load(encoded(quadrants(), form), min_size=HALF).size == (48, 32)
    assert load(quadrants(), min_size=HALF).size == (48, 32)


def test_decode_returns_at_least_min_size():
    for width, height in ((481, 321), (100, 3000), (17, 17)):
        data = encoded(quadrants(width, height), "JPEG")
        for min_size in (Size(1, 1), Size(40, 12), Size(4000, 4000), Size(height, width)):
            image = open_image(data).decode(min_size=min_size)
            decoded = Size(image.pixels.height, image.pixels.width)
            assert image.size == Size(height, width)
            assert decoded == Size(height, width) or all(map(ge, decoded, min_size))


def test_decode_allows_four_times_the_pixels_of_a_reduced_baseline_jpeg_only():
    limits = ImageLimits(max_pixels=48 * 32)
    for size, progressive, allowed in (
        ((96, 64), False, True),
        ((97, 64), False, False),
        ((96, 64), True, False),
    ):
        data = encoded(quadrants(*size), "JPEG", progressive=progressive)
        with pytest.raises(ImageError, match="limit"):
            load(data, limits=limits)
        if allowed:
            assert load(data, limits=limits, min_size=Size(32, 48)).size == (48, 32)
            with pytest.raises(ImageError, match="limit of 1536 pixels"):
                load(data, limits=limits, min_size=Size(64, 96))
        else:
            with pytest.raises(ImageError, match="limit"):
                load(data, limits=limits, min_size=Size(32, 48))


def test_load_image_swaps_the_channels_of_bgr_arrays():
    rgb = np.asarray(quadrants())
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    np.testing.assert_array_equal(np.asarray(load(bgr, channels="BGR")), rgb)
    loaded = load(bgr, channels="BGR")
    np.testing.assert_array_equal(np.asarray(load(bgr[::-1, ::2], channels="BGR")), rgb[::-1, ::2])
    opaque = np.dstack([bgr, np.full(rgb.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(np.asarray(load(opaque, channels="BGR")), rgb)
    np.testing.assert_array_equal(np.asarray(load(rgb[..., 0], channels="BGR")), np.asarray(load(rgb[..., 0])))
    bgr[:] = 0  # a camera's next frame in the same memory
    np.testing.assert_array_equal(np.asarray(loaded), rgb)

"""Opening images: every kind of source, every mode, every orientation, every refusal."""

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

from edgekit.errors import ImageError
from edgekit.image.decode_limits import ImageLimits
from edgekit.image.load import load_image, open_image
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess

# Where EXIF says that the first row and the first column of the stored image lie, for each orientation
# (CIPA DC-008, table 6), as what turns the upright array into the stored one.
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


def load(source, *, color="RGB", enough=None, **options) -> Image.Image:
    """The decoded pixels."""
    return open_image(source, **options).decode(color, enough=enough).pixels


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    return [image.getpixel(at) for at in ((2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3))]


def assert_quadrants(image: Image.Image, *, within: int = 12) -> None:
    assert image.mode == "RGB"
    np.testing.assert_allclose(corners(image), CORNERS, atol=within)


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_answers_its_pixels(form):
    assert_quadrants(load(encoded(quadrants(), form)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_images_are_turned_upright(form, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](np.asarray(quadrants()))))
    block = Image.Exif()
    block[0x0112] = orientation
    image = load(encoded(stored, form, exif=block.tobytes()))
    assert (image.height, image.width) == (32, 48)
    assert_quadrants(image)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_do_not_exist_turn_nothing(orientation):
    assert_quadrants(load(encoded(quadrants(), "JPEG", exif=exif(orientation))))


@pytest.mark.filterwarnings("ignore:.*EXIF")
@pytest.mark.parametrize("broken", BROKEN_EXIF)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_broken_exif_block_does_not_hide_the_image(form, broken):
    assert_quadrants(load(encoded(quadrants(), form, exif=exif(1, broken=broken))))


def test_a_pil_image_is_turned_and_left_as_it_was():
    stored = Image.open(io.BytesIO(encoded(quadrants().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif(6))))
    assert_quadrants(load(stored))
    assert stored.size == (32, 48)


def test_every_kind_of_source_answers_alike(tmp_path):
    data = encoded(quadrants(), "PNG")
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        images = [load(source) for source in (str(path), path, data, bytearray(data), memoryview(data), file)]
    images += [load(quadrants()), load(np.asarray(quadrants())), load(io.BytesIO(data))]
    for image in images:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(quadrants()))


def test_a_pipe_that_answers_in_pieces_is_read_to_its_end():
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


def test_16_bit_gray_is_scaled_and_not_clipped():
    values = np.array([[0, 128, 129, 257 * 7, 32768, 65535]], np.uint16)
    expected = [[0, 0, 1, 7, 128, 255]]  # value / 257, rounded
    for form in ("PNG", "TIFF"):
        image = load(encoded(Image.fromarray(values), form), color="L")
        np.testing.assert_array_equal(np.asarray(image), expected)
    pgm = b"P5 6 1 65535\n" + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(np.asarray(load(pgm, color="L")), expected)
    np.testing.assert_array_equal(np.asarray(load(pgm))[..., 1], expected)


def test_tall_16_bit_images_are_scaled_in_every_row():
    values = np.arange(300 * 5, dtype=np.uint16).reshape(300, 5) * 43
    image = load(encoded(Image.fromarray(values), "PNG"), color="L")
    np.testing.assert_array_equal(np.asarray(image), np.rint(values / 257).astype(np.uint8))


def test_16_bit_rgb_keeps_its_colors():
    values = np.array([[[65535, 0, 257 * 9], [257 * 200, 257 * 100, 0]]], np.uint16)
    np.testing.assert_array_equal(np.asarray(load(made_images.png16_rgb(values))), values // 257)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_palette_color_becomes_white(form):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((0, 0), 0)
    loaded = load(encoded(image, form, transparency=0))
    assert loaded.getpixel((0, 0)) == (255, 255, 255)
    assert loaded.getpixel((3, 3)) == (200, 0, 0)


def test_a_transparent_color_of_an_rgb_image_becomes_white():
    loaded = load(encoded(quadrants(), "PNG", transparency=CORNERS[0]))
    assert loaded.getpixel((0, 0)) == (255, 255, 255)
    assert loaded.getpixel((40, 30)) == CORNERS[3]


@pytest.mark.parametrize(
    ("mode", "color", "expected"), [("LA", 40, (148,) * 3), ("RGBA", (250, 50, 0), (252, 153, 128))]
)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_transparency_is_laid_on_white(mode, color, expected, form):
    pixel = (*((color,) if isinstance(color, int) else color), 127)
    loaded = load(encoded(Image.new(mode, (3, 3), pixel), form))
    np.testing.assert_allclose(loaded.getpixel((1, 1)), expected, atol=1)
    gray = load(encoded(Image.new(mode, (3, 3), pixel), form), color="L")
    assert gray.mode == "L"


def test_one_bit_images_are_black_and_white():
    image = Image.new("1", (9, 2), 1)
    image.putpixel((0, 0), 0)
    loaded = load(encoded(image, "PNG"))
    assert loaded.getpixel((0, 0)) == (0, 0, 0)
    assert loaded.getpixel((8, 1)) == (255, 255, 255)


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpegs_have_the_right_polarity(adobe):
    """Adobe writes the inks inverted and marks it in an APP14 segment; files that lost the mark are read alike."""
    data = encoded(Image.new("CMYK", (16, 16), (0, 200, 250, 0)), "JPEG", quality=95)  # magenta and yellow: red
    at = data.index(b"\xff\xee")
    unmarked = data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]
    np.testing.assert_allclose(load(data if adobe else unmarked).getpixel((8, 8)), (255, 55, 5), atol=6)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_taken(form):
    others = [Image.new("RGB", (48, 32), color) for color in ("black", "white")]
    assert_quadrants(load(encoded(quadrants(), form, save_all=True, append_images=others)))


def test_gray_images_stay_gray_and_become_rgb_where_asked():
    gray = Image.linear_gradient("L")
    np.testing.assert_array_equal(np.asarray(load(encoded(gray, "PNG"), color="L")), np.asarray(gray))
    np.testing.assert_array_equal(np.asarray(load(encoded(gray, "PNG")))[..., 2], np.asarray(gray))


@pytest.mark.parametrize("mode", ["F", "La"])
def test_modes_without_a_known_meaning_are_refused(mode):
    with pytest.raises(ImageError, match=mode):
        load(Image.new(mode, (4, 4)))


def test_32_bit_integers_are_refused_beyond_16_bits():
    assert load(Image.fromarray(np.full((2, 2), 65535, np.int32)), color="L").getpixel((0, 0)) == 255
    for value in (65536, -1):
        with pytest.raises(ImageError, match="no known range"):
            load(Image.fromarray(np.full((2, 2), value, np.int32)))


# -- arrays -----------------------------------------------------------------------------------------------------------


def test_arrays_of_every_layout():
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
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(ImageError) as caught:
        load(array)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("source", [None, 7, ["a.jpg"], {"path": "a.jpg"}, object()], ids=repr)
def test_sources_of_another_type_are_refused(source):
    with pytest.raises(ImageError, match="cannot read an image from"):
        load(source)


# -- files that are none ----------------------------------------------------------------------------------------------


def strange_paths(folder: Path) -> dict[str, str]:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "empty").touch()
    paths = {name: str(folder / name) for name in ("folder", "fifo", "circle", "empty", "absent")}
    paths["not a folder"] = str(folder / "empty" / "image.jpg")
    return paths | {"device": "/dev/zero", "zero byte": "a\0b", "long": "x" * 5000, "surrogate": "a\udcff", "none": ""}


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    for kind, path in strange_paths(tmp_path).items():
        with pytest.raises(ImageError) as caught:
            load(path)
        assert str(caught.value).isprintable(), kind


@pytest.mark.parametrize("name", ["new\nline.png", "\x1b[31mred.png", "\u202egnp.exe.png", b"\xff\xfe.png"])
def test_file_names_cannot_steer_the_terminal(tmp_path, name):
    path = Path(tmp_path, os.fsdecode(name))
    path.write_bytes(b"nothing")
    with pytest.raises(ImageError) as caught:
        load(path)
    assert str(caught.value).isprintable()
    path.write_bytes(encoded(quadrants(), "PNG"))
    assert_quadrants(load(path))


def test_a_file_object_that_fails_is_an_image_error():
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(ImageError, match="closed"):
        load(closed)
    with pytest.raises(ImageError, match="binary mode"):
        load(io.StringIO("text"))


# -- limits -----------------------------------------------------------------------------------------------------------


def test_limits_are_exact_and_said(tmp_path):
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


def test_an_endless_stream_is_read_as_far_as_the_limit():
    class Endless(io.RawIOBase):
        given = 0

        def read(self, count: int = -1) -> bytes:
            count = min(count, 4096)
            self.given += count
            return bytes(count)

    stream = Endless()
    with pytest.raises(ImageError, match="limit of 100000 bytes"):
        load(stream, limits=ImageLimits(max_bytes=100_000))
    assert stream.given == 100_001


def test_hungry_formats_are_allowed_half_the_pixels():
    limits = ImageLimits(max_pixels=48 * 32 * 2 - 1)
    load(encoded(quadrants(), "PNG"), limits=limits)
    for data in (
        encoded(quadrants(), "WEBP"),
        encoded(quadrants(), "AVIF"),
        encoded(quadrants().convert("CMYK"), "JPEG"),
    ):
        with pytest.raises(ImageError, match="limit of 1535 pixels"):
            load(data, limits=limits)


def test_usual_progressive_jpegs_are_read_and_hundreds_of_scans_refused():
    data = encoded(quadrants(), "JPEG", progressive=True)
    assert_quadrants(load(data))
    with pytest.raises(ImageError, match="scans"):
        load(made_images.many_scans(data, 100))


def test_a_text_that_unpacks_to_4_mb_is_not_unpacked():
    text = b"x\0\0" + zlib.compress(bytes(4 * 2**20))
    data = made_images.png(
        [made_images.png_header(1, 1), (b"zTXt", text), (b"IDAT", zlib.compress(bytes(4))), (b"IEND", b"")]
    )
    with pytest.raises(ImageError, match="too large"):
        load(data)


# -- only what is needed ----------------------------------------------------------------------------------------------


HALF = Size(16, 24)  # of the quadrants


@pytest.mark.parametrize("form", ["JPEG", "MPO"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_decoded_no_larger_than_needed_and_upright(form, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](np.asarray(quadrants(480, 320)))))
    opened = open_image(encoded(stored, form, exif=exif(orientation)))
    assert opened.size == Size(320, 480)
    loaded = opened.decode(enough=Size(80, 110))
    assert loaded.pixels.size == (120, 80)
    assert loaded.size == Size(320, 480)
    assert_quadrants(loaded.pixels)


def test_a_reduced_image_keeps_its_size_and_its_way_back_when_its_pixels_are_changed():
    loaded = open_image(encoded(quadrants(1200, 800), "JPEG")).decode(enough=Size(200, 300))
    copied = loaded._replace(pixels=loaded.pixels.copy())
    assert (copied.pixels.size, copied.size) == ((300, 200), Size(800, 1200))
    for image in (loaded, copied, loaded.in_color("L")):
        full = image.in_full()
        assert (full.pixels.size, full.size, full.pixels.mode) == ((1200, 800), Size(800, 1200), image.pixels.mode)
        assert full.in_full() is None
    assert_quadrants(copied.in_full().pixels)


def test_an_image_opened_once_is_decoded_at_every_scale():
    opened = open_image(encoded(quadrants(1200, 800), "JPEG"))
    scales = [None, Size(100, 150), None, Size(400, 600), Size(100, 150)]
    loaded = [opened.decode(enough=enough) for enough in scales]
    assert [image.pixels.width for image in loaded] == [1200, 150, 1200, 600, 150]
    assert {image.size for image in loaded} == {Size(800, 1200)}


def test_a_jpeg_in_which_pillow_finds_nothing_to_decode_is_one_line():
    opened = open_image(encoded(quadrants(), "JPEG"))
    opened.image.tile = []
    broken = opened._replace(jpeg=opened.jpeg._replace(data=b"\xff\xd8 no more"))
    with pytest.raises(ImageError):
        broken.decode()


@pytest.mark.parametrize("orientation", STORED)
def test_what_is_seen_of_a_reduced_jpeg_lies_where_the_whole_has_it(orientation):
    """Of 65 columns at an eighth there are 9, which would be 72: a shift of a tenth of the image at its end."""
    across, down = np.meshgrid(np.linspace(30, 220, 129), np.linspace(30, 220, 65))
    upright = np.stack([across, down, np.full_like(down, 120)], axis=2).astype(np.uint8)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    data = encoded(stored, "JPEG", quality=100, subsampling=0, exif=exif(orientation))
    whole, reduced = load_image(data), open_image(data).decode(enough=Size(8, 16))
    assert max(reduced.pixels.size) == 17
    assert reduced.size == whole.size == Size(65, 129)
    spec = Preprocess(resize=16, crop=Size(16, 24))
    for only_box in (False, True):
        seen = [spec.pixels(image, whole=not only_box)[0].astype(int) for image in (whole, reduced)]
        inner = np.abs(seen[0] - seen[1])[1:-1]  # at the border, the filter has less to take in
        assert inner.max() <= 6
        assert inner.mean() <= 2


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "JPEG"])
def test_other_formats_are_decoded_in_full(form):
    assert load(encoded(quadrants(), form), enough=HALF).size == (48, 32)
    assert load(quadrants(), enough=HALF).size == (48, 32)


def test_a_reduced_image_is_never_smaller_than_needed():
    for width, height in ((481, 321), (100, 3000), (17, 17)):
        data = encoded(quadrants(width, height), "JPEG")
        for needed in (Size(1, 1), Size(40, 12), Size(4000, 4000), Size(height, width)):
            image = open_image(data).decode(enough=needed)
            decoded = Size(image.pixels.height, image.pixels.width)
            assert image.size == Size(height, width)
            assert decoded == Size(height, width) or all(map(ge, decoded, needed))


def test_reduced_jpegs_may_have_four_times_the_pixels_and_progressive_ones_may_not():
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
            assert load(data, limits=limits, enough=Size(32, 48)).size == (48, 32)
            with pytest.raises(ImageError, match="limit of 1536 pixels"):
                load(data, limits=limits, enough=Size(64, 96))
        else:
            with pytest.raises(ImageError, match="limit"):
                load(data, limits=limits, enough=Size(32, 48))


def test_bgr_arrays_are_turned_where_said():
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

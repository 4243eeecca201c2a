"""Near duplicates among drawings: which changes are found, and that others are not."""

import io

import numpy as np
import pytest
from made_audits import drawing
from PIL import Image, ImageEnhance, ImageOps

from edgekit.audit import descriptors, near_duplicates
from edgekit.audit.near_duplicates import find_near_duplicates, is_blank
from edgekit.audit.survey import survey_images
from edgekit.dataset import ImageSet

COUNT = 40
DRAWINGS = [drawing(seed) for seed in range(COUNT)]


def thumbnails(images: list[Image.Image]) -> np.ndarray:
    sources = [np.asarray(image) for image in images]
    return survey_images(
        {"all": ImageSet((), sources, tuple(map(str, range(len(images)))), (0,) * len(images))}, None
    ).thumbnails


def as_jpeg(image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=30)
    return Image.open(data).convert("RGB")


def cut(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    return image.crop((0, round(share * height), round((1 - share) * width), height))


@pytest.mark.parametrize(
    ("change", "mirrored", "least"),
    [
        (as_jpeg, False, COUNT),
        (lambda image: image.resize((40, 70)), False, COUNT),
        (ImageOps.mirror, True, COUNT),
        (lambda image: ImageEnhance.Brightness(image).enhance(1.2), False, COUNT - 2),
        (lambda image: image.convert("L").convert("RGB"), False, COUNT),
        (lambda image: cut(image, 0.05), False, COUNT - 2),
        (lambda image: cut(as_jpeg(ImageOps.mirror(image)), 0.06), True, COUNT - 8),
    ],
    ids=["jpeg", "resized", "mirrored", "brighter", "gray", "cropped", "all at once"],
)
def test_find_near_duplicates_finds_changed_copies_and_nothing_else(change, mirrored, least):
    links = find_near_duplicates(thumbnails([*DRAWINGS, *map(change, DRAWINGS)]))
    assert all(link.second - link.first == COUNT and link.is_mirrored == mirrored for link in links)
    assert len(links) >= least
    assert all(0.88 <= link.similarity <= 1.00001 for link in links)


def test_find_near_duplicates_expects_the_brightness_of_the_image_in_its_crop():
    darker = [ImageEnhance.Brightness(cut(image, 0.1)).enhance(0.8) for image in DRAWINGS[:10]]
    assert find_near_duplicates(thumbnails([*DRAWINGS, *darker])) == []


def test_find_near_duplicates_marks_crops():
    links = find_near_duplicates(thumbnails([*DRAWINGS, *(cut(image, 0.1) for image in DRAWINGS[:10])]))
    assert len(links) >= 7
    assert all(link.is_cropped for link in links)


def test_find_near_duplicates_of_equal_images_is_a_chain_not_all_pairs():
    equal = np.repeat(thumbnails(DRAWINGS[:2]), 500, axis=0)
    links = find_near_duplicates(equal)
    assert len(links) == 998
    assert {link.first for link in links} == {0, 500}


def test_find_near_duplicates_keeps_few_links_of_each_of_many_alike_images(monkeypatch):
    rng = np.random.default_rng(0)
    base = thumbnails(DRAWINGS[:1])[0].astype(int)
    alike = np.clip(base + rng.normal(0, 4, (300, 32, 32)), 0, 255).astype(np.uint8)
    monkeypatch.setattr(descriptors, "_PRIOR_IMAGES", 1e9)
    links = find_near_duplicates(np.concatenate([alike, thumbnails(DRAWINGS[1:20])]))
    assert 300 * 7 < len(links) <= 300 * 8
    assert max(link.second for link in links) < 300


def test_find_near_duplicates_searches_across_blocks(monkeypatch):
    images = thumbnails([*DRAWINGS, *map(ImageOps.mirror, DRAWINGS)])
    expected = find_near_duplicates(images)
    monkeypatch.setattr(near_duplicates, "_BLOCK", 7)
    steps = []
    assert find_near_duplicates(images, on_block=lambda done, total: steps.append((done, total))) == expected
    assert steps[-1] == (80, 80)


def test_blank_images_are_no_near_duplicates():
    blank = np.stack([np.full((32, 32), value, np.uint8) for value in (0, 128, 129, 255)])
    assert is_blank(blank).all()
    assert not is_blank(thumbnails(DRAWINGS[:1])).any()
    assert find_near_duplicates(np.concatenate([blank, thumbnails(DRAWINGS[:1])])) == []


@pytest.mark.parametrize("count", [0, 1])
def test_find_near_duplicates_of_too_few_images_finds_none(count):
    assert find_near_duplicates(np.zeros((count, 32, 32), np.uint8)) == []

"""The report page of a data set: complete, escaped, and shown by a real browser."""

import re

import numpy as np
import pytest
from made_audits import colored_images, drawing
from made_models import write_tiny
from made_names import HOSTILE_NAMES
from made_reports import HOSTILE, SCRIPT, Reader, opened
from PIL import ImageOps

from edgekit.audit import audit
from edgekit.dataset import ImageSet
from edgekit.errors import printable
from edgekit.report import write_data_report
from edgekit.report.data_page import data_page


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    """A page with every section, whose labels, names and data set contain markup."""
    folder = tmp_path_factory.mktemp("hostile")
    train = colored_images(80, flipped=(5, 6))
    names = tuple(f"{HOSTILE[n % 4]}{n}.png" for n in range(80))
    copies = [np.asarray(drawing(0)), np.asarray(drawing(0)), np.asarray(drawing(1)), train.sources[7]]
    train = ImageSet(
        HOSTILE, [*train.sources, *copies[:2], copies[2]], (*names, "a", "b", "c"), (*train.labels, 0, 1, 0)
    )
    mirrored = np.asarray(ImageOps.mirror(drawing(1)))
    strange = np.full((20, 30, 3), 255, np.uint8)
    val = ImageSet(HOSTILE, [mirrored, strange, b"broken"], ("d", HOSTILE[1], SCRIPT), (0, 1, 2))
    found = audit({"train": train, "val": val}, model=write_tiny(folder / "tiny.onnx"), name=f"data {SCRIPT}")
    write_data_report(found, folder / "data.html")
    return folder / "data.html"


def test_data_page_has_every_section(hostile_page):
    text = Reader(hostile_page.read_text()).text
    sections = ("Findings", "Contents", "Duplicates across splits", "Duplicates with different labels")
    assert all(section in text for section in (*sections, "Suspicious labels", "Outliers", "Unreadable images"))
    assert "1 of 86 files cannot be read" in text


def test_data_page_escapes_hostile_names(hostile_page):
    page = Reader(hostile_page.read_text())
    tags = [tag for tag, _ in page.elements]
    assert "script" not in tags
    assert tags.count("style") == 1
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert SCRIPT in page.text
    assert not {"\x1b", "\u202e"} & set(page.text)


def test_data_page_embeds_everything(hostile_page):
    page = Reader(hostile_page.read_text())
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "embed", "base", "a", "form")]
    sources = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert len(sources) >= 8
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"url\(|@import", hostile_page.read_text())
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("width", [360, 1400])
def test_data_page_fits_the_width_of_a_browser_without_console_messages(hostile_page, tmp_path, width):
    content, console, content_width = opened(hostile_page, width=width, scratch=tmp_path)
    assert console == []
    assert content_width <= width
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content


def test_data_page_shows_hostile_file_names_literally():
    sources = [np.asarray(drawing(0)) for _ in HOSTILE_NAMES[:4]]
    text = Reader(data_page(audit(ImageSet(("a", "b"), sources, HOSTILE_NAMES[:4], (0, 1, 0, 1))))).text
    assert all(printable(name) in text for name in HOSTILE_NAMES[:4])


def test_data_page_of_good_data_says_so():
    images = ImageSet(("a",) * 0, [np.asarray(drawing(n)) for n in range(3)], ("x", "y", "z"), (0, 0, 0))
    text = Reader(data_page(audit(images))).text
    assert "Nothing was found." in text
    assert "not judged, because no model was given" in text
    assert not any(section in text for section in ("Duplicates", "Suspicious", "Outliers", "Unreadable"))


def test_data_page_of_many_findings_shows_the_first_ones():
    groups = [np.asarray(drawing(n // 2, side=16)) for n in range(40)]
    classes = tuple(f"c{n}" for n in range(120))
    broken = [b"x"] * 60
    names = tuple(map(str, range(100)))
    images = ImageSet(classes, [*groups, *broken], names, tuple(n // 2 % 120 for n in range(100)))
    page = data_page(audit(images))
    text = Reader(page).text
    assert "20 groups, 12 shown." in text
    assert "20 more classes have fewer images." in text
    assert "and 10 more" in text
    assert page.count("<img") == 24

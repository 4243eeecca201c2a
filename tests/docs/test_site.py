"""The site is built strictly, and loads nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_pages import PAGES, ROOT

# Tags that load what they name. A link (<a>) loads nothing until it is followed.
_LOADS = {**dict.fromkeys(("img", "script", "iframe", "source", "video", "audio"), "src"), "link": "href"}
_OTHER_OPTIONS = ("--help", "--version", "--no-micro-graphs")  # of every command, and of bench.pyz
# What would let the theme's script load something: elements with these classes.
_LOADING_CLASSES = {"mermaid", "glightbox", "arithmatex", "pyodide"}


class _Resources(HTMLParser):
    """The addresses that a page loads, and the classes of its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.classes.update((values.get("class") or "").split())
        if tag in _LOADS and (address := values.get(_LOADS[tag])) and values.get("rel") != "canonical":
            self.addresses.append(address)


def _build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts" / "build_docs.py"), str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = _build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_site_has_a_page_for_each_command_and_public_name(site):
    import edgekit
    from edgekit.cli.app import app

    commands = (site / "reference" / "cli" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="edgekit-{command.name}"' in commands for command in app.registered_commands)
    names = (site / "reference" / "edgekit" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="edgekit.{name}"' in names for name in edgekit.__all__ if not name.startswith("_"))


def test_options_that_pages_name_exist(site):
    commands = (site / "reference" / "cli" / "index.html").read_text(encoding="utf-8")
    known = {*re.findall(r"--[a-z][a-z-]+", commands), *_OTHER_OPTIONS}
    for page in PAGES:
        named = re.findall(r"`(--[a-z][a-z-]+)[^`\n]*`", page.read_text(encoding="utf-8"))
        assert set(named) <= known, page


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        resources = _Resources()
        resources.feed(page.read_text(encoding="utf-8"))
        assert resources.addresses, page
        assert [address for address in resources.addresses if re.match(r"[a-z]+:|//", address)] == [], page
        assert resources.classes & _LOADING_CLASSES == set(), page


def test_styles_load_nothing_from_elsewhere(site):
    styles = list(site.rglob("*.css"))
    assert styles
    for style in styles:
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", style.read_text(encoding="utf-8")) == []


@pytest.fixture
def copy(tmp_path) -> Path:
    """A checkout with what the build reads, to be spoiled."""
    for name in ("docs", "edgekit", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("page", "text", "reason"),
    [
        ("index.md", "[lost](nowhere.md)", "page does not exist"),
        ("index.md", "[lost](faq.md#nowhere)", "anchor does not exist"),
        ("index.md", "[`lost`][edgekit.Nothing]", "unresolved"),
        ("stray.md", "A page that the navigation lacks.", "differ in stray.md"),
    ],
)
def test_build_fails_for_broken_links_and_stray_pages(page, text, reason, copy):
    with (copy / "docs" / page).open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")
    done = _build(copy, copy / "site")
    assert done.returncode == 1
    assert reason in done.stderr
    assert not (copy / "site").exists()


def test_build_fails_for_a_page_that_is_missing(copy):
    (copy / "docs" / "decisions.md").unlink()
    assert "decisions.md" in _build(copy, copy / "site").stderr

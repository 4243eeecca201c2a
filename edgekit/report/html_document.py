"""What all report pages share: the head with the policy and the style sheet, and their sections."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from edgekit.dataset import Unreadable
from edgekit.report.html import Markup, element, void_element

# No script runs and nothing is fetched, whatever a label contains. The inline styles are our own.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html_document(title: str, header: Markup, sections: Sequence[Markup], footer: Markup) -> str:
    """The HTML of a page.

    Args:
        title: of the browser's window.
        header: above the sections.
        sections: of the page, from `section`.
        footer: below them.
    """
    css = files("edgekit.report").joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        {},
        void_element("meta", {"charset": "utf-8"}),
        void_element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        void_element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        void_element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", {}, title),
        Markup(f"<style>{css}</style>"),
    )
    body = element("body", {}, header, element("main", {}, sections), footer)
    return f"<!doctype html>\n{element('html', {'lang': 'en'}, head, body)}\n"


def section(title: str, *content: Markup) -> Markup:
    """A section with its heading."""
    return element("section", {}, element("h2", {}, title), *content)


def unreadable_section(unreadable: Sequence[Unreadable], *, most: int | None = None) -> list[Markup]:
    """The images that cannot be read, each with the reason; no section if there are none.

    Args:
        unreadable: the images.
        most: number of images to list; all by default.
    """
    if not unreadable:
        return []
    rows = [element("li", {}, element("b", {}, name), f" {reason}") for name, reason in unreadable[:most]]
    more = len(unreadable) - len(rows)
    rows += [element("li", {}, f"and {more:,} more")] if more else []
    return [section("Unreadable images", element("ul", {"class": "failures"}, rows))]

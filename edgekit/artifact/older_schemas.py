"""Documents of schema 1, written by edgekit 0.1.0 before its keys were renamed: read with the keys of schema 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RENAMED = {
    "crops": "adaptive_crops",
    "licence": "license",
    "looks": "views",
    "picture": "image",
    "pictures": "images",
    "pictures_per_s": "images_per_s",
}


def with_schema_2(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the keys of schema 2; unchanged unless it states schema 1."""
    if document.get("schema") != 1:
        return dict(document)
    return {**_renamed(document), "schema": 2}


def _renamed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_RENAMED.get(key, key): _renamed(entry) for key, entry in value.items()}
    return [_renamed(entry) for entry in value] if isinstance(value, list) else value

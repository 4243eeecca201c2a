"""Reading of JSON documents with schema 1, written by edgekit 0.1.0 before its keys were renamed."""

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
    """Return the document with the keys of schema 2; a copy if its schema is not 1."""
    if document.get("schema") != 1:
        return dict(document)
    return {**_with_renamed_keys(document), "schema": 2}


def _with_renamed_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_RENAMED.get(key, key): _with_renamed_keys(entry) for key, entry in value.items()}
    return [_with_renamed_keys(entry) for entry in value] if isinstance(value, list) else value

"""Strict parsing of JSON documents from untrusted files."""

from __future__ import annotations

import json
import math
from typing import Any

from edgekit.errors import ArtifactError, is_unicode

# Enough for 100,000 labels. Longer or deeper documents are attempts to exhaust memory or the stack.
_MAX_CHARACTERS = 8 * 2**20
_MAX_DEPTH = 32


def parse_json_object(text: str, *, what: str) -> dict[str, Any]:
    """Parse a JSON object whose values can all be written to a file again.

    Args:
        text: the document.
        what: what messages call it.

    Raises:
        ArtifactError: not a JSON object, too long or too deep, or with values that files cannot contain (infinite
            numbers, unpaired surrogates).
    """
    if len(text) > _MAX_CHARACTERS:
        raise ArtifactError(f"{what} is longer than {_MAX_CHARACTERS} characters")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{what} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise ArtifactError(f"{what} is not a JSON object")
    _check_value(document, what, _MAX_DEPTH)
    return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _check_value(value: Any, what: str, remaining_depth: int) -> None:
    if remaining_depth == 0:
        raise ArtifactError(f"{what} is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for key, entry in value.items():
            _check_value(key, what, remaining_depth)
            _check_value(entry, what, remaining_depth - 1)
    elif isinstance(value, list):
        for entry in value:
            _check_value(entry, what, remaining_depth - 1)
    elif isinstance(value, str) and not is_unicode(value):
        raise ArtifactError(f"{what} contains an unpaired surrogate character")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ArtifactError(f"{what} contains an infinite number")

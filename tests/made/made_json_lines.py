"""Reading of the JSON Lines that `edgekit predict` writes."""

import json
from typing import Any


def json_lines(text: str) -> list[dict[str, Any]]:
    """Parse each line."""
    return [json.loads(line) for line in text.splitlines()]


def paths_of(text: str) -> list[str]:
    """Return the path in each line."""
    return [record["path"] for record in json_lines(text)]

"""The JSON lines that `edgekit predict` writes."""

import json
from typing import Any


def json_lines(text: str) -> list[dict[str, Any]]:
    """The objects of the lines."""
    return [json.loads(line) for line in text.splitlines()]


def paths_of(text: str) -> list[str]:
    """The path of each line."""
    return [record["path"] for record in json_lines(text)]

"""A part as JSON Lines: the records that `edgekit predict --json` prints."""

from __future__ import annotations

import json
from typing import Any

from edgekit.bulk.hashed_file import HashedFile


class JsonLinesPart:
    """Writes records to a file as lines.

    Args:
        file: of the part.
    """

    def __init__(self, file: HashedFile) -> None:
        self._file = file

    def write(self, record: dict[str, Any]) -> None:
        """Add a record.

        Args:
            record: from `Job.record`, with the path of its shard as "shard" if it comes from one.
        """
        self._file.write(f"{json.dumps(record, ensure_ascii=True, allow_nan=False)}\n".encode())

    def close(self) -> None:
        """Nothing is left to be written."""

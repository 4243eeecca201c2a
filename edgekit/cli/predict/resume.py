"""The file of JSON lines that a killed job goes on with."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

from edgekit.errors import DataError, EdgekitError
from edgekit.runtime.image_sources import Input

_BEGINNING = b'{"schema": 1, "path": "'  # of every answer; a last line that is cut off must be a piece of one


class Journal(AbstractContextManager["Journal"]):
    """The answers in the file at `path`, which is made where there is none, and more to come.

    settings: what the answers depend on besides the pictures; every line carries it. A last line that was cut off is
    taken back. Raises DataError for a file that holds anything but answers of these settings.
    """

    def __init__(self, path: str, settings: str) -> None:
        self._path, self._settings = path, settings
        self.answered = self.failed = 0
        self._known: Counter[str] = Counter()
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
            raise DataError(f"{path}: not a regular file; name a file for the answers")
        try:
            self._file = open(path, "a+b")  # noqa: SIM115
            self._file.seek(0)
            self._file.truncate(self._read())
        except (OSError, ValueError) as error:
            if isinstance(error, EdgekitError):
                self._file.close()
                raise
            raise DataError(f"{path}: cannot be opened for the answers: {error}") from None

    def is_new(self, picture: Input) -> bool:
        """Whether there is no answer for it; each answer stands for one picture of its name."""
        if not self._known[picture.name]:
            return True
        self._known[picture.name] -= 1
        return False

    def write(self, document: dict[str, Any]) -> None:
        """Add an answer; it is in the file when this returns."""
        line = json.dumps({**document, "settings": self._settings}, ensure_ascii=True, allow_nan=False)
        try:
            self._file.write(f"{line}\n".encode())
            self._file.flush()
        except OSError as error:
            raise EdgekitError(f"{self._path}: cannot be written: {error.strerror or error}") from None
        self.answered += 1
        self.failed += "error" in document

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> int:
        """Take in every whole line; the number of their bytes."""
        size = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                if not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
                    raise self._foreign(number)
                break
            size += len(line)
            self._take(line, number)
        return size

    def _take(self, line: bytes, number: int) -> None:
        try:
            document = json.loads(line)
            name, settings = document["path"], document["settings"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._foreign(number) from None
        if settings != self._settings:
            raise DataError(
                f"{self._path}: line {number} was answered by another model or with other options; name another file"
            )
        self._known[str(name)] += 1
        self.answered += 1
        self.failed += "error" in document

    def _foreign(self, number: int) -> DataError:
        return DataError(f"{self._path}: line {number} is no answer of `edgekit predict --resume`; name another file")

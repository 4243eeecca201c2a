"""What a fit has found so far: one JSON document in its output folder, from which a killed search goes on.

schema      1
settings    of the command: a search with others is refused
images      fingerprint of the images, what the search depends on of them (`images.SearchImages`)
seconds     that the search took so far, all its sessions together
speeds      images that some candidates train in a second, by name, from which those of others are estimated
attempts    how often candidates were chosen to be measured
entries     of the candidates that are measured and trained, by name: measured (latency_ms, size_bytes,
            memory_bytes), images_per_s, results of its trainings by the number of the rung
plan        how the time is divided (`plan.Plan`)
rungs       finished rounds (`fitted.Rung`)
finals      candidates that were trained to the end: name, epochs, tune, and once it is known, why it was rejected
            or what was measured of it; the last one is the chosen one
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from edgekit.errors import DataError, quote
from edgekit.files import read_regular_file, write_atomically

SCHEMA = 1
_NAME = "state.json"
_MAX_BYTES = 2**24
_OF_PROCESS = {"path", "_counted"}  # fields that are not in the document
_SAVE_EVERY_S = 5.0  # while something runs that takes long: at most this is not counted if the process is killed


@dataclass(slots=True, kw_only=True)
class SearchState:
    """The state of a search.

    Attributes:
        path: of the document.
        settings: as in the document, as all that follows.
        images: empty until the images have been read.
        seconds: up to the last save.
        speeds: empty at first.
        attempts: 0 at first.
        entries: by the name of the candidate.
        plan: None until the candidates' speeds are known.
        rungs: empty at first.
        finals: likewise.
    """

    path: Path
    settings: Mapping[str, Any]
    images: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    speeds: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    rungs: list[dict[str, Any]] = field(default_factory=list)
    finals: list[dict[str, Any]] = field(default_factory=list)
    _counted: float = field(default_factory=time.monotonic)

    def save(self) -> None:
        """Write the document; the time since the last save counts."""
        now = time.monotonic()
        self.seconds, self._counted = self.seconds + now - self._counted, now
        document = {name: value for name, value in asdict(self).items() if name not in _OF_PROCESS}
        write_atomically(self.path, json.dumps({"schema": SCHEMA, **document}, indent=1).encode())

    def count_time(self) -> None:
        """Save if some seconds have passed since it was saved: called from within what takes long."""
        if time.monotonic() - self._counted > _SAVE_EVERY_S:
            self.save()


def has_state(folder: Path) -> bool:
    """Whether the folder has a search that can be continued."""
    return (folder / _NAME).is_file()


def check_folder(folder: Path) -> None:
    """Raises DataError for a folder that has something else than a search, or that cannot be written."""
    try:
        if not has_state(folder) and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder}: exists and has no fit to continue; choose another `output` folder")
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
            raise DataError(f"{folder}: cannot be written in {nearest}; choose another `output` folder")
    except OSError as reason:
        raise DataError(f"{folder}: cannot be written: {reason.strerror}; choose another `output` folder") from None


def open_state(folder: Path, settings: Mapping[str, Any]) -> SearchState:
    """Read the state of the search in a folder, or begin one.

    Args:
        folder: of the search; one without a search must be empty or not exist.
        settings: of the search, ready for JSON.

    Raises:
        DataError: the folder has something else, or a search with other settings.
    """
    path = folder / _NAME
    check_folder(folder)
    if not has_state(folder):
        return SearchState(path=path, settings=dict(settings))
    document = _document(path)
    before, now = _flat(document["settings"]), _flat(json.loads(json.dumps(settings)))
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            raise DataError(
                f"{folder}: has a fit with {name} {quote(before.get(name))}, now it is {quote(now.get(name))}; give "
                f"the same to continue it, or choose another `output` folder"
            )
    return SearchState(path=path, **{name: value for name, value in document.items() if name != "schema"})


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of settings beside the others, such as "budget latency_ms"."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= {f"{name} {part}": inner for part, inner in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_regular_file(path, max_bytes=_MAX_BYTES, error=DataError))
    except (ValueError, RecursionError):
        document = None
    known = {"schema", *(entry.name for entry in fields(SearchState))} - _OF_PROCESS
    if not isinstance(document, dict) or document.keys() != known or not isinstance(document["settings"], dict):
        raise DataError(f"{path}: is not the state of a fit; choose another `output` folder")
    if document["schema"] != SCHEMA:
        raise DataError(f"{path}: unknown schema {quote(document['schema'])}; this version of edgekit reads {SCHEMA}")
    return document

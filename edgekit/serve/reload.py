"""Model files that are replaced while the server runs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edgekit.artifact.info import read_model
from edgekit.errors import EdgekitError
from edgekit.files import sha256
from edgekit.serve.logs import log
from edgekit.serve.models import ModelStore

_SHOWN_DIGITS = 12  # of a checksum


class _FileState(NamedTuple):
    """What changes when a file is replaced or written to. Symbolic links are followed."""

    device: int
    inode: int
    size: int
    changed_ns: int


_NEVER_SEEN = _FileState(0, 0, 0, 0)


class WatchedModel:
    """A model and the states in which its file was last seen.

    Args:
        models: the model is replaced there.
        name: of the model.
        path: of its file.
    """

    def __init__(self, models: ModelStore, name: str, path: Path) -> None:
        self._models, self._name, self._path = models, name, path
        # None is the state of a file that does not exist.
        self._settled: _FileState | None = _NEVER_SEEN  # the state that is loaded, or was refused
        self._previous: _FileState | None = _NEVER_SEEN

    def check(self) -> bool | None:
        """Load the file if it has changed. Returns whether it was loaded; None if there was nothing to do.

        Only a state that was already seen at the last call counts: a file that somebody is writing to changes.
        """
        state = _state_of(self._path)
        is_new, is_stable = state != self._settled, state == self._previous
        self._previous = state
        if not (is_new and is_stable):
            return None
        # Before reading: what is written after this moment has another state, and is found by the next call.
        self._settled = state
        served = self._models.get(self._name)
        try:
            content = read_model(self._path, max_bytes=served.classifier.options.limits.max_bytes)
            if sha256(content) == served.sha256:
                return None
            served = self._models.open(self._name, self._path)
        except EdgekitError as error:
            log(
                logging.ERROR,
                "reload_refused",
                f"{error}; the model that was loaded before stays",
                fields={"model": self._name, "error": str(error)},
            )
            return False
        self._models.replace(served)
        log(
            logging.INFO,
            "model_reloaded",
            f"{self._path}: loaded as {self._name}, sha256 {served.sha256[:_SHOWN_DIGITS]}",
            fields={"model": self._name, "sha256": served.sha256},
        )
        return True


async def watch_models(models: ModelStore, *, interval_s: float, count: Callable[[bool], None]) -> None:
    """Load model files again when they are replaced, until this is canceled.

    A new file is validated and warmed up as at the start, beside the old model, which then makes place for it. One that
    is refused is logged, and the old model stays. Requests in work keep the model that they began with.

    Args:
        models: those that were loaded from files are watched.
        interval_s: seconds between looks; a change is loaded after one to two of them.
        count: called for each new file with whether it was loaded.
    """
    watched = [WatchedModel(models, model.name, model.path) for model in models if model.path is not None]
    while True:
        await asyncio.sleep(interval_s)
        for model in watched:
            try:
                outcome = await asyncio.to_thread(model.check)
            except Exception as error:  # a fault of ours must not end the watch
                log(logging.ERROR, "reload_failed", f"a model was not loaded again: {error}", error=error)
                outcome = False
            if outcome is not None:
                count(outcome)


def _state_of(path: Path) -> _FileState | None:
    """The state of a file; None if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  (follows links, also those that are replaced)
    except OSError:
        return None
    return _FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

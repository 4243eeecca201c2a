"""Runs of a network that fit and end: what a model may take of memory and time while it runs.

The guard reads what a file says; sizes that a graph computes, and work without end, show only in a run. onnxruntime can
bound both: its arena for everything that lies between the layers has a roof, and a run can be told to stop.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from edgekit.errors import ArtifactError
from edgekit.runtime import memory
from edgekit.runtime.session import available_threads

if TYPE_CHECKING:
    import numpy.typing as npt

_LOOK_EVERY_S = 0.5
# Whether alone, and whether the arena gives back what it keeps for runs of other sizes, which it does when a run has
# ended, even by failing.
_TRIES = ((False, False), (True, True), (True, False))


def time_limit_s(model_bytes: int) -> float:
    """Seconds that one run may take: 3, and 1 more for each MB of the file, for large networks on small machines."""
    return 3 + model_bytes / 1e6


def run(
    session: ort.InferenceSession, output: str, feed: dict[str, npt.NDArray[Any]], *, limit_s: float
) -> npt.NDArray[Any]:
    """One output of the session for this feed.

    As many runs as there are cores go at once and the others wait; more would only take more memory. One that does not
    fit beside others, or beside what the arena keeps for runs of other sizes, is tried again alone. Raises
    ArtifactError for a run that needs more memory or time than it may have, and what onnxruntime raises.
    """
    for alone, shrinking in _TRIES:
        try:
            with _runs.place(alone=alone):
                return _timed(session, output, feed, limit_s, shrinking=shrinking)
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            if not memory.is_exhausted(error):
                raise
    raise ArtifactError(f"a run needs more than {memory.run_megabytes()} MB; {memory.VARIABLE} sets another limit")


def run_patiently(session: ort.InferenceSession, output: str, feed: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """As run, of a model that was made here: it may take its time."""
    return run(session, output, feed, limit_s=math.inf)


def _timed(
    session: ort.InferenceSession, output: str, feed: dict[str, npt.NDArray[Any]], limit_s: float, *, shrinking: bool
) -> npt.NDArray[Any]:
    options = ort.RunOptions()
    options.log_severity_level = 4
    if shrinking:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    with _watch.over(options, limit_s):
        try:
            answer: npt.NDArray[Any] = session.run([output], feed, options)[0]
        except Exception:
            if options.terminate:
                raise ArtifactError(f"a run took more than {limit_s:.0f} s and was stopped") from None
            raise
    return answer


class _Runs:
    """The places for runs: one for each core, or all of them for one run."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._places = self._free = available_threads()
        self._want_all = 0  # who waits for all places; the others let them go first, or they would wait for ever

    @contextmanager
    def place(self, *, alone: bool) -> Iterator[None]:
        """Wait for a place, or for all of them, and keep it meanwhile."""
        wanted = self._places if alone else 1
        with self._changed:
            self._want_all += alone
            try:
                self._changed.wait_for(lambda: self._free >= wanted and (alone or not self._want_all))
            finally:
                self._want_all -= alone
                self._changed.notify_all()
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


class _Watch:
    """Looks every half second whether a run has passed its time, and tells it to stop. Its thread starts with use."""

    def __init__(self) -> None:
        self._deadlines: dict[ort.RunOptions, float] = {}
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, options: ort.RunOptions, limit_s: float) -> Iterator[None]:
        """Stop the run with these options where it lasts longer."""
        self._deadlines[options] = time.monotonic() + limit_s
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._look, name="edgekit-watch", daemon=True)
                    self._thread.start()
        try:
            yield
        finally:
            del self._deadlines[options]

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            for options, deadline in list(self._deadlines.items()):
                if time.monotonic() > deadline:
                    options.terminate = True


_runs, _watch = _Runs(), _Watch()


def _renew() -> None:
    """In a forked child: the parent's runs and its watching thread are not here."""
    global _runs, _watch
    _runs, _watch = _Runs(), _Watch()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)

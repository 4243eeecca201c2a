"""Runs of a network that fit and end: what a model may take of memory and time while it runs.

The guard reads what a file says; sizes that a graph computes, and work without end, show only in a run. onnxruntime can
bound both: its arena for everything that lies between the layers has a roof, and a run can be told to stop.
"""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import onnxruntime as ort

from edgekit.errors import ArtifactError, SpecError
from edgekit.runtime.cpu import available_threads

if TYPE_CHECKING:
    import numpy.typing as npt

Feed: TypeAlias = "dict[str, npt.NDArray[Any]]"

MEMORY_VARIABLE = "EDGEKIT_RUN_MEMORY_MB"
# Of all runs together, weights not counted. EfficientNet-B7, the largest network, takes half of it.
_MEGABYTES = 512
_LEAST, _MOST = 16, 2**20
_EXHAUSTED = "Available memory of"  # onnxruntime has no class or code of its own for it
_LOOK_EVERY_S = 0.5
# How often a run is tried: beside others, alone with an arena that gives back what it keeps for runs of other sizes
# (which it does when a run has ended, even by failing), and alone again in the emptied arena.
_TRIES = ({"alone": False, "shrinking": False}, {"alone": True, "shrinking": True}, {"alone": True, "shrinking": False})


def use_bounded_memory(options: ort.SessionOptions) -> None:
    """Let a session take what its runs need from the arena. Raises SpecError for a wrong EDGEKIT_RUN_MEMORY_MB.

    In a child forked after that, sessions have an arena each, without a roof: another thread may have held the lock of
    the parent's at the fork, and nobody would ever open it.
    """
    if _register_arena() == os.getpid():
        options.add_session_config_entry("session.use_env_allocators", "1")


def _is_exhausted(error: Exception) -> bool:
    """Whether a run failed because the arena is full."""
    return _EXHAUSTED in str(error)


def run_megabytes() -> int:
    """The arena's roof: EDGEKIT_RUN_MEMORY_MB when the first session was opened, else 512."""
    setting = os.environ.get(MEMORY_VARIABLE)
    if not setting:
        return _MEGABYTES
    if not setting.isdecimal() or not _LEAST <= int(setting) <= _MOST:
        raise SpecError(f"{MEMORY_VARIABLE} must be a whole number from {_LEAST} to {_MOST}, not {setting!r:.40}")
    return int(setting)


@functools.cache
def _register_arena() -> int:
    """Once: onnxruntime has one arena for a process. The process that did it."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    # It grows by what is asked for, not by doubling: small networks stay small.
    roof = {"max_mem": run_megabytes() * 2**20, "arena_extend_strategy": 1}
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(roof))
    return os.getpid()


def time_limit_s(model_bytes: int) -> float:
    """Seconds that one run may take: 3, and 1 more for each MB of the file, for large networks on small machines."""
    return 3 + model_bytes / 1e6


def run(
    session: ort.InferenceSession, outputs: Sequence[str], feed: Feed, *, limit_s: float = math.inf
) -> list[npt.NDArray[Any]]:
    """The named outputs of the session for this feed.

    As many runs as there are cores go at once and the others wait; more would only take more memory. One that does not
    fit beside others, or beside what the arena keeps for runs of other sizes, is tried again alone. limit_s: seconds
    that it may take; any number for a model that was made here. Raises ArtifactError for a run that needs more memory
    or time than it may have, and what onnxruntime raises.
    """
    for attempt in _TRIES:
        try:
            with _runs.place(alone=attempt["alone"]):
                return _timed(session, outputs, feed, limit_s, shrinking=attempt["shrinking"])
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            if not _is_exhausted(error):
                raise
    raise ArtifactError(f"a run needs more than {run_megabytes()} MB; {MEMORY_VARIABLE} sets another limit")


def _timed(
    session: ort.InferenceSession, outputs: Sequence[str], feed: Feed, limit_s: float, *, shrinking: bool
) -> list[npt.NDArray[Any]]:
    options = ort.RunOptions()
    options.log_severity_level = 4
    if shrinking:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    with _watch.over(options, limit_s):
        try:
            values: list[npt.NDArray[Any]] = session.run(list(outputs), feed, options)
        except Exception:
            if options.terminate:
                raise ArtifactError(f"a run took more than {limit_s:.0f} s and was stopped") from None
            raise
    return values


class _Runs:
    """The places for runs: one for each core, or all of them for one run."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._places = self._free = available_threads()
        self._want_all = 0  # who waits for all places; the others let them go first, or they would wait for ever

    @contextmanager
    def place(self, *, alone: bool) -> Iterator[None]:
        """Wait for a place, or for all of them, and keep it meanwhile."""
        places = self._places if alone else 1
        with self._changed:
            self._want_all += alone
            try:
                self._changed.wait_for(lambda: self._free >= places and (alone or not self._want_all))
            finally:
                self._want_all -= alone
                self._changed.notify_all()
            self._free -= places
        try:
            yield
        finally:
            with self._changed:
                self._free += places
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

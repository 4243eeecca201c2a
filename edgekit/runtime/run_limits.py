"""Limits on the memory and time of a network's runs.

The guard validates what is written in a file. Sizes that a graph computes, and endless work, show only in a run.
onnxruntime can bound both: its arena, which holds everything between the layers, has a limit, and a run can be stopped.
"""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

import onnxruntime as ort

from edgekit.errors import ArtifactError, SpecError, must_be
from edgekit.runtime.cpu import available_threads

if TYPE_CHECKING:
    import numpy.typing as npt

Feed: TypeAlias = "dict[str, npt.NDArray[Any]]"

MEMORY_VARIABLE = "EDGEKIT_RUN_MEMORY_MB"
# Of all runs together, without weights. EfficientNet-B7, the largest network of the zoo, needs half of it.
_MEGABYTES = 512
_LEAST, _MOST = 16, 2**20
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)  # of the thread's runs
_EXHAUSTED = "Available memory of"  # onnxruntime has no exception class or code for it
_CHECK_EVERY_S, _LATE_S = 0.5, 1.0
# The attempts of a run: beside others; alone, with an arena that releases what it keeps for runs of other sizes (which
# it does after a run, even a failed one); and alone again, in the emptied arena.
_ATTEMPTS = (
    {"alone": False, "shrinking": False},
    {"alone": True, "shrinking": True},
    {"alone": True, "shrinking": False},
)


def use_bounded_memory(options: ort.SessionOptions) -> None:
    """Let the runs of a session allocate from the arena. Raises SpecError for an invalid EDGEKIT_RUN_MEMORY_MB.

    In a child forked after that, each session has an arena of its own without a limit: another thread may have held the
    lock of the parent's arena at the fork, and nothing would ever release it.
    """
    if _register_arena() == os.getpid():
        options.add_session_config_entry("session.use_env_allocators", "1")


def _is_exhausted(error: Exception) -> bool:
    """Whether a run failed because the arena is full."""
    return _EXHAUSTED in str(error)


def run_megabytes() -> int:
    """The limit of the arena: EDGEKIT_RUN_MEMORY_MB when the first session was opened, or 512."""
    setting = os.environ.get(MEMORY_VARIABLE)
    if not setting:
        return _MEGABYTES
    if not setting.isdecimal() or not _LEAST <= int(setting) <= _MOST:
        raise SpecError(must_be(MEMORY_VARIABLE, f"an integer from {_LEAST} to {_MOST}", setting))
    return int(setting)


@functools.cache
def _register_arena() -> int:
    """Register the one arena that onnxruntime has per process, once. Returns the process that did it."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    # It grows by what is requested, not by doubling: small networks stay small.
    limit = {"max_mem": run_megabytes() * 2**20, "arena_extend_strategy": 1}
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(limit))
    return os.getpid()


def time_limit_s(model_bytes: int) -> float:
    """Seconds allowed for one run: 3, and 1 more for each MB of the file, for large networks on small machines."""
    return 3 + model_bytes / 1e6


@contextmanager
def runs_until(deadline: float) -> Iterator[None]:
    """Stop the runs of this thread at this time of `time.monotonic`, as if their own limit ended there."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def run(
    session: ort.InferenceSession, outputs: Sequence[str], feed: Feed, *, limit_s: float = math.inf
) -> list[npt.NDArray[Any]]:
    """Run the session for the named outputs.

    At most one run per core is in progress and the others wait; more would only need more memory. A run that does not
    fit beside others, or beside what the arena keeps for runs of other sizes, is tried again alone. limit_s: seconds
    allowed; unlimited for a model that was made here. Raises ArtifactError for a run that exceeds its memory or time,
    and the errors of onnxruntime.
    """
    for attempt in _ATTEMPTS:
        try:
            with _runs.slot(alone=attempt["alone"]):
                limit_s = min(limit_s, _deadline.get() - time.monotonic())  # now: waiting for the slot took time
                return _timed(session, outputs, feed, limit_s, shrinking=attempt["shrinking"])
        except Exception as error:  # onnxruntime's own exception classes are not public
            if not _is_exhausted(error):
                raise
    raise ArtifactError(f"inference needs more than {run_megabytes()} MB; raise the limit with {MEMORY_VARIABLE}")


def _timed(
    session: ort.InferenceSession, outputs: Sequence[str], feed: Feed, limit_s: float, *, shrinking: bool
) -> list[npt.NDArray[Any]]:
    options = ort.RunOptions()
    options.log_severity_level = 4
    if shrinking:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    _watch.begin(options, limit_s)
    try:
        values: list[npt.NDArray[Any]] = session.run(list(outputs), feed, options)
    except Exception:
        if options.terminate:
            raise ArtifactError(f"inference took more than {max(0, limit_s):.0f} s and was stopped") from None
        raise
    finally:
        _watch.end(options)
    return values


class _Slot:
    """Waits for one of the slots of `runs`, or for all of them, and holds it meanwhile.

    A class, because a context manager made of a generator costs 50 microseconds after a run has emptied the caches.
    """

    def __init__(self, runs: _Runs, *, alone: bool) -> None:
        self._runs, self._alone = runs, alone

    def __enter__(self) -> None:
        self._runs.acquire(alone=self._alone)

    def __exit__(self, *_: object) -> None:
        self._runs.release(alone=self._alone)


class _Runs:
    """Slots for runs: one for each core, or all of them for a single run."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._slots = self._free = available_threads()
        self._want_all = 0  # runs that wait for all slots; the others let them go first, or they would wait forever

    def slot(self, *, alone: bool) -> _Slot:
        """A context that waits for a slot, or for all of them, and holds it."""
        return _Slot(self, alone=alone)

    def acquire(self, *, alone: bool) -> None:
        """Wait for a slot, or for all of them."""
        slots = self._slots if alone else 1
        with self._changed:
            self._want_all += alone
            try:
                while self._free < slots or (self._want_all and not alone):
                    self._changed.wait()
            finally:
                self._want_all -= alone
                self._changed.notify_all()
            self._free -= slots

    def release(self, *, alone: bool) -> None:
        """Release what `acquire` waited for."""
        with self._changed:
            self._free += self._slots if alone else 1
            self._changed.notify_all()


class _Watch:
    """Checks every half second for runs that exceed their time, and stops them. Its thread starts on first use.

    Time in which the whole process is stopped (Ctrl-Z, a paused container) does not count: the check itself is late.
    """

    def __init__(self) -> None:
        self._deadlines: dict[ort.RunOptions, float] = {}
        self._stopped_s = 0.0
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, options: ort.RunOptions, limit_s: float) -> None:
        """Stop the run that has these options if it takes longer than limit_s, until `end`."""
        self._deadlines[options] = time.monotonic() - self._stopped_s + limit_s
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._stop_overdue_runs, name="edgekit-watch", daemon=True)
                    self._thread.start()

    def end(self, options: ort.RunOptions) -> None:
        """Forget the run."""
        del self._deadlines[options]

    def _stop_overdue_runs(self) -> None:
        now = time.monotonic()
        while True:
            time.sleep(_CHECK_EVERY_S)
            before, now = now, time.monotonic()
            late_s = now - before - _CHECK_EVERY_S
            if late_s > _LATE_S:
                self._stopped_s += late_s
            for options, deadline in list(self._deadlines.items()):
                if now - self._stopped_s > deadline:
                    options.terminate = True


_runs, _watch = _Runs(), _Watch()


def _reset() -> None:
    """In a forked child, in which the parent's runs and its watching thread do not exist."""
    global _runs, _watch
    _runs, _watch = _Runs(), _Watch()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)

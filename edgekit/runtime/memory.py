"""The memory that running networks may take: one arena for the whole process, with a roof."""

from __future__ import annotations

import functools
import os

import onnxruntime as ort

from edgekit.errors import SpecError

VARIABLE = "EDGEKIT_RUN_MEMORY_MB"
# Of all runs together, weights not counted. EfficientNet-B7, the largest network, takes half of it.
_MEGABYTES = 512
_LEAST, _MOST = 16, 2**20
_EXHAUSTED = "Available memory of"  # onnxruntime has no class or code of its own for it


def use_bounded_memory(options: ort.SessionOptions) -> None:
    """Let a session take what its runs need from the arena. Raises SpecError for a wrong EDGEKIT_RUN_MEMORY_MB.

    In a child forked after that, sessions have an arena each, without a roof: another thread may have held the lock of
    the parent's at the fork, and nobody would ever open it.
    """
    if _register_arena() == os.getpid():
        options.add_session_config_entry("session.use_env_allocators", "1")


def is_exhausted(error: Exception) -> bool:
    """Whether a run failed because the arena is full."""
    return _EXHAUSTED in str(error)


def run_megabytes() -> int:
    """The arena's roof: EDGEKIT_RUN_MEMORY_MB when the first session was opened, else 512."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return _MEGABYTES
    if not wanted.isdecimal() or not _LEAST <= int(wanted) <= _MOST:
        raise SpecError(f"{VARIABLE} must be a whole number from {_LEAST} to {_MOST}, not {wanted!r:.40}")
    return int(wanted)


@functools.cache
def _register_arena() -> int:
    """Once: onnxruntime has one arena for a process. The process that did it."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    # It grows by what is asked for, not by doubling: small networks stay small.
    roof = {"max_mem": run_megabytes() * 2**20, "arena_extend_strategy": 1}
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(roof))
    return os.getpid()

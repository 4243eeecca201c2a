"""The C library's allocator, whose settings can be changed from inside the process."""

from __future__ import annotations

import ctypes
import os
import sys

_M_ARENA_MAX = -8  # a parameter of mallopt(3)
_ARENAS = 2
_TUNED_BY = (
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "GLIBC_TUNABLES",
)


def limit_arenas() -> None:
    """Let all threads share two arenas of glibc from now on, if its settings can be changed; it cannot be undone.

    Otherwise each new thread may get an arena of its own, which keeps what was freed there. Where threads come and go,
    the memory of the process grows until there are eight arenas for each core.
    """
    library = adjustable_library()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def adjustable_library() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc, its own allocator is in use, and nobody else has set it up.

    Otherwise, with another C library, or with jemalloc and the like by LD_PRELOAD, None.
    """
    if sys.platform != "linux" or any(name in os.environ for name in _TUNED_BY):
        return None
    process = ctypes.CDLL(None)
    try:
        functions = [getattr(process, name) for name in ("malloc", "mallopt", "malloc_trim", "gnu_get_libc_version")]
    except AttributeError:  # musl
        return None
    return process if len(set(map(_library_of, functions))) == 1 else None


class _SymbolInfo(ctypes.Structure):
    """Dl_info of dladdr(3)."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def _library_of(function: object) -> int | None:
    """The address at which the library that defines a function is loaded."""
    info = _SymbolInfo()
    ctypes.CDLL(None).dladdr(function, ctypes.byref(info))
    base: int | None = info.base
    return base

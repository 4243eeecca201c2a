"""glibc's arenas: how many threads make."""

import os
import platform
import subprocess
import sys

import pytest

# Arenas (`<heap nr=...>` of malloc_info) after sixteen threads allocated at the same time.
COUNT = """
import ctypes, sys, tempfile, threading
from edgekit.c_allocator import limit_arenas

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.fopen.restype, library.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
library.malloc_info.argtypes, library.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]

def arenas():
    with tempfile.NamedTemporaryFile() as file:
        stream = library.fopen(file.name.encode(), b"w")
        library.malloc_info(0, stream)
        library.fclose(stream)
        return file.read().count(b"<heap nr")

def allocate(count):
    barrier = threading.Barrier(count)
    def body():
        barrier.wait()
        library.malloc(1000)
        barrier.wait()
    threads = [threading.Thread(target=body) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

if sys.argv[1:]:
    limit_arenas()
allocate(16)
print(arenas())
"""


def arenas(*arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", COUNT, *arguments]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_threads_share_two_arenas_unless_the_user_has_chosen():
    assert arenas() > 2
    assert arenas("limited") == 2
    assert arenas("limited", MALLOC_ARENA_MAX="5") == 5

"""glibc's thresholds while training: page faults, other allocators, and the weights, which are the same."""

import os
import platform
import subprocess
import sys

import pytest

from edgekit.files import sha256
from edgekit.train.allocator import freed_memory_kept, keep_freed_memory
from edgekit.train.loop import train

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
# Page faults of a block of 64 MB that is written and freed 5 times: before, while and after memory is kept.
FAULTS = """
import ctypes, resource, sys
from edgekit.train.allocator import freed_memory_kept
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        block = library.malloc(2**26)
        ctypes.memset(block, 1, 2**26)
        library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

counts = [faults()]
with freed_memory_kept():
    faults()  # once, the pages are new
    counts.append(faults())
counts.append(faults())
print(*counts)
"""


def run(code, **environment):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=own | environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@needs_glibc
def test_freed_memory_kept_reuses_pages_and_returns_them_at_the_end():
    before, kept, after = map(int, run(FAULTS))
    pages = 5 * 2**26 // os.sysconf("SC_PAGE_SIZE")
    if before < pages / 2:
        pytest.skip(f"the kernel maps larger pages: {before} faults for {pages} pages")
    assert kept < pages / 100
    assert after > pages / 2


@needs_glibc
def test_return_freed_memory_leaves_little_to_be_copied_after_a_fork():
    code = FAULTS.partition("counts =")[0] + (
        "from edgekit.train.allocator import return_freed_memory\n"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1])\n"
        "with freed_memory_kept():\n"
        "    faults()\n"
        "    kept = resident()\n"
        "    return_freed_memory()\n"
        "    print(kept, resident())\n"
    )
    kept, returned = map(int, run(code))
    assert kept - returned > 0.9 * 2**26 / os.sysconf("SC_PAGE_SIZE")


@needs_glibc
@pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_"])
def test_keep_freed_memory_leaves_the_choice_of_the_environment(name):
    code = "from edgekit.train.allocator import keep_freed_memory; print(keep_freed_memory())"
    assert run(code, **{name: ""}) == ["None"]
    assert run(code) != ["None"]


@needs_glibc
def test_keep_freed_memory_leaves_another_allocator_alone(tmp_path):
    """Any library that has a malloc of its own and is loaded first."""
    source, library = tmp_path / "own.c", tmp_path / "own.so"
    source.write_text(
        "extern void *__libc_malloc(unsigned long);\nvoid *malloc(unsigned long n) { return __libc_malloc(n); }\n"
    )
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no C compiler")
    code = "from edgekit.train.allocator import keep_freed_memory; print(keep_freed_memory())"
    assert run(code, LD_PRELOAD=str(library)) == ["None"]


def test_keep_freed_memory_does_nothing_on_other_systems(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is None
    with freed_memory_kept():
        pass


def test_train_gives_the_same_weights_without_kept_memory(tmp_path, monkeypatch, lenet_recipe, training, validation):
    recipe, digests = lenet_recipe(optimize={"epochs": 1}), set()
    for tunables in (None, ""):
        if tunables is not None:
            monkeypatch.setenv("GLIBC_TUNABLES", tunables)
        train(recipe, training, validation, run=tmp_path / f"run-{tunables}", workers=1)
        digests.add(sha256((tmp_path / f"run-{tunables}" / "model.safetensors").read_bytes()))
    assert len(digests) == 1

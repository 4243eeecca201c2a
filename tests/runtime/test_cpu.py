"""Facts about the processor, and the warning about models that were quantized for another one."""

import os

import pytest

from edgekit.artifact.info import read_info
from edgekit.errors import SpecError
from edgekit.hub.built_in import built_in_models
from edgekit.runtime import cpu
from edgekit.runtime.cpu import available_threads, overflow_warning


@pytest.mark.parametrize(
    ("target", "flags", "warned"),
    [
        ("x86-vnni", "sse2 avx2", True),
        ("x86-vnni", "avx2 avx512f", True),
        ("x86-vnni", "avx2 avx512f avx512_vnni", False),
        ("x86-vnni", "avx2 avx_vnni", False),
        ("x86-vnni", "", False),  # not known, so no warning
        ("x86-avx2", "avx2", False),
        ("arm64", "avx2", True),
        ("arm64", "asimddp", False),
        ("web", "avx2", True),
        ("web", "avx2 avx_vnni", False),
        (None, "avx2", False),
    ],
)
def test_overflow_warning_names_the_target_that_overflows_here(monkeypatch, tmp_path, target, flags, warned):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n\nprocessor : 1\n")
    monkeypatch.setattr(cpu, "_CPUINFO", cpuinfo)
    warning = overflow_warning(target)
    assert (warning is not None) == warned
    assert not warning or (f"quantized for {target!r}" in warning and "for the target x86-avx2" in warning)


@pytest.mark.parametrize("name", ["lenet5-mnist-int8", "mobilenet_v2-cifar10-int8"])
def test_built_in_models_overflow_on_no_processor(name):
    assert read_info(built_in_models()[name]).target == "x86-avx2"


def test_available_threads_come_from_the_environment_then_affinity_then_quota(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEKIT_NUM_THREADS", raising=False)
    monkeypatch.setattr(cpu, "_CGROUP_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)))
    assert available_threads() == 6
    for text, cores in (
        ("250000 100000", 3),
        ("max 100000", 6),
        ("50000 100000", 1),
        ("900000 100000", 6),
        ("junk", 6),
    ):
        (tmp_path / "cpu.max").write_text(text)
        assert available_threads() == cores, text
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "5")
    assert available_threads() == 5


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "100000", " "])
def test_available_threads_rejects_an_invalid_environment(monkeypatch, value):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", value)
    with pytest.raises(SpecError, match="`EDGEKIT_NUM_THREADS` must be an integer from 1 to 256"):
        available_threads()

"""What is known of the processor, and what is said of files made for another one."""

import os

import pytest

from edgekit.artifact.info import read_info
from edgekit.errors import SpecError
from edgekit.hub.shipped import shipped_models
from edgekit.runtime import cpu
from edgekit.runtime.cpu import available_threads, overflow_warning


@pytest.mark.parametrize(
    ("target", "flags", "warned"),
    [
        ("x86-vnni", "sse2 avx2", True),
        ("x86-vnni", "avx2 avx512f", True),
        ("x86-vnni", "avx2 avx512f avx512_vnni", False),
        ("x86-vnni", "avx2 avx_vnni", False),
        ("x86-vnni", "", False),  # not known, so not accused
        ("x86-avx2", "avx2", False),
        ("arm64", "avx2", True),
        ("arm64", "asimddp", False),
        ("web", "avx2", True),
        ("web", "avx2 avx_vnni", False),
        (None, "avx2", False),
    ],
)
def test_integers_that_overflow_here_are_said(monkeypatch, tmp_path, target, flags, warned):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n\nprocessor : 1\n")
    monkeypatch.setattr(cpu, "_CPUINFO", cpuinfo)
    said = overflow_warning(target)
    assert (said is not None) == warned
    assert said is None or (f"made for {target};" in said and "--target x86-avx2" in said)


@pytest.mark.parametrize("name", ["lenet5-mnist-int8", "mobilenet_v2-cifar10-int8"])
def test_shipped_integers_overflow_nowhere(name):
    assert read_info(shipped_models()[name]).target == "x86-avx2"


def test_threads_come_from_the_environment_then_affinity_then_quota(monkeypatch, tmp_path):
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
def test_a_wrong_number_in_the_environment_is_said(monkeypatch, value):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", value)
    with pytest.raises(SpecError, match="EDGEKIT_NUM_THREADS"):
        available_threads()

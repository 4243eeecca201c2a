"""Facts about the processor: its threads, and the instructions that matter for int8."""

import os

import pytest

from edgekit.errors import SpecError
from edgekit.runtime import cpu
from edgekit.runtime.cpu import available_threads, int8_features


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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags : sse2 avx2 avx512f", ["avx2", "avx512f"]),
        ("flags : avx2 avx_vnni", ["avx2", "avx_vnni"]),
        ("Features : fp asimd asimddp", ["asimddp"]),
        ("flags :", []),
    ],
)
def test_int8_features_are_those_of_the_first_processor(monkeypatch, tmp_path, line, expected):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\n{line}\n\nprocessor : 1\nflags : amx_int8\n")
    monkeypatch.setattr(cpu, "_CPUINFO", cpuinfo)
    assert int8_features() == expected
    monkeypatch.setattr(cpu, "_CPUINFO", tmp_path / "missing")
    assert int8_features() == []

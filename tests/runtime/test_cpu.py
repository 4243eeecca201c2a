"""What is known of the processor, and what is said of files made for another one."""

import pytest

from edgekit.artifact.info import read_info
from edgekit.hub.shipped import shipped_models
from edgekit.runtime import cpu as machine
from edgekit.runtime.cpu import overflow_warning


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
    monkeypatch.setattr(machine, "_CPUINFO", cpuinfo)
    said = overflow_warning(target)
    assert (said is not None) == warned
    assert said is None or (f"made for {target};" in said and "--target x86-avx2" in said)


@pytest.mark.parametrize("name", ["lenet5-mnist-int8", "mobilenet_v2-cifar10-int8"])
def test_shipped_integers_overflow_nowhere(name):
    assert read_info(shipped_models()[name]).target == "x86-avx2"

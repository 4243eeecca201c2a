"""What devices are called, from the files of their systems."""

from pathlib import Path

import pytest

from edgekit.bundle.bench_program.facts import device, versions

_PI = """processor	: 0
Features	: fp asimd asimddp
CPU implementer	: 0x41
CPU part	: 0xd0b

processor	: 1
Features	: fp asimd asimddp
CPU implementer	: 0x41
CPU part	: {part}

Model		: Raspberry Pi 5
"""
_PC = "".join(f"processor\t: {core}\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: sse avx2\n\n" for core in range(2))


@pytest.fixture
def root(tmp_path):
    """A function: a file system with these files."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_raspberry_pi_is_known_by_its_device_tree_and_part_number(root):
    found = device(root(proc__cpuinfo=_PI.format(part="0xd0b")))
    (root() / "proc/device-tree").mkdir()
    (root() / "proc/device-tree/model").write_text("Raspberry Pi 5 Model B Rev 1.0\0", encoding="ascii")
    assert device(root())["name"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert found["processor"] == "Cortex-A76"
    assert found["features"] == ["fp", "asimd", "asimddp"]


def test_cores_of_several_kinds_are_all_named(root):
    assert device(root(proc__cpuinfo=_PI.format(part="0xd05")))["processor"] == "Cortex-A76, Cortex-A55"
    assert device(root(proc__cpuinfo=_PI.format(part="0xfff")))["processor"] == "Cortex-A76, Arm 0x41 0xfff"


def test_pc_is_known_by_its_processor_and_board(root):
    found = device(root(proc__cpuinfo=_PC, sys__devices__virtual__dmi__id__product_name="Box 3\n"))
    assert (found["processor"], found["name"], found["features"]) == ("Some CPU @ 3 GHz", "Box 3", ["sse", "avx2"])


def test_texts_of_the_system_are_not_endless(root):
    found = device(root(proc__cpuinfo=f"processor: 0\nmodel name: {'x' * 9999}\n"))
    assert len(found["processor"]) == 200


def test_this_machine_has_all_facts_that_documents_need():
    found = device()
    assert found["cores"] >= 1
    assert found["architecture"]
    assert found["memory_bytes"] is None or found["memory_bytes"] > 2**28
    assert set(versions()) == {"onnxruntime", "numpy", "python"}

"""Make a folder in which 64-bit Arm programs run on this computer, as if it were a Raspberry Pi.

    python scripts/make_arm64_root.py FOLDER                             a Raspberry Pi 5
    python scripts/make_arm64_root.py FOLDER --board raspberry-pi-4      one without dot product instructions

It prints the path of an arm64 Python with numpy, Pillow and onnxruntime in the versions of constraints.txt, which QEMU
emulates. Child processes and virtual environments work in it, too; onnxruntime takes 2 s to import, and a small
network 50 times as long as on this computer. Needs Debian and qemu-user-static, and neither root nor any change of the
system: apt and dpkg-deb use folders of their own. A folder that is there and was made from the same versions is kept.

Exit status 69 means that something is missing here: QEMU, apt, or the network.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).parents[1]
QEMU = "qemu-aarch64-static"
_DEBIAN_PACKAGES = ("python3", "python3-venv", "libstdc++6")
_WHEELS = ("numpy", "onnxruntime", "pillow")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_STAMP = "made_from.txt"
_PROGRAM = "emulated/python3"  # in a folder of its own, for PATH: this computer cannot run what lies in usr/bin
# Wheels of the constraints may be built for any of these, and all run on Debian 12.
_WHEEL_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")


class Board(NamedTuple):
    """What is emulated. cpu: by its name in QEMU; the others: as Linux prints them on the board."""

    name: str
    cpu: str
    part: str
    features: str


_BASE_FEATURES = "fp asimd evtstrm crc32 cpuid"
BOARDS = {
    "raspberry-pi-5": Board(
        name="Raspberry Pi 5 Model B Rev 1.0",
        cpu="cortex-a76",
        part="0xd0b",
        features=f"{_BASE_FEATURES} aes pmull sha1 sha2 atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp",
    ),
    "raspberry-pi-4": Board(
        name="Raspberry Pi 4 Model B Rev 1.4", cpu="cortex-a72", part="0xd08", features=_BASE_FEATURES
    ),
}
# Without it, onnxruntime reads the /proc/cpuinfo of this computer, finds no Arm processor in it and crashes.
_CPUINFO = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 1

"""
_PYTHON = """#!/bin/sh
exec {qemu} -0 "$0" -cpu {cpu} -L "{root}" "{root}/usr/bin/{python}" "$@"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to keep it; new, or written by this script")
    parser.add_argument("--board", choices=BOARDS, default="raspberry-pi-5", help="default: raspberry-pi-5")
    options = parser.parse_args()
    print(make_root(options.folder.resolve(), options.board))


def make_root(folder: Path, board: str) -> Path:
    """Make FOLDER/BOARD if it is not there or was made from other versions; return the path of its Python."""
    for program in (QEMU, "apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            unavailable(f"{program} is not installed")
    root, made_from = folder / board, versions(board)
    stamp = root / _STAMP
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != made_from:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        install_debian(root, folder / "apt")
        version = python_version(root)
        install_wheels(root, folder / "wheels", version)
        write_board(root, BOARDS[board], version)
        stamp.write_text(made_from, encoding="utf-8")  # last, so that an interrupted run is not taken for a whole one
    return root / _PROGRAM


def unavailable(reason: str) -> NoReturn:
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(os.EX_UNAVAILABLE)


def versions(board: str) -> str:
    """What decides how the folder looks: this script, the wheels, the release of Debian."""
    script = sha256(Path(__file__).read_bytes()).hexdigest()
    release = Path("/etc/debian_version")
    debian = release.read_text(encoding="ascii").strip() if release.is_file() else "none"
    return "\n".join((board, f"script {script}", f"Debian {debian}", *requirements())) + "\n"


def requirements() -> list[str]:
    """The lines of constraints.txt that pin what is installed."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition("==")[0] in _WHEELS]


def run(*command: object) -> str:
    """The command's output; its last line of errors and status 69 if it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        unavailable(f"{command[0]} failed: {lines[-1]}")
    return done.stdout


def install_debian(root: Path, apt: Path) -> None:
    """Unpack the packages and what they depend on into the root, by an apt with a state of its own."""
    archives = apt / "cache/archives"
    shutil.rmtree(archives, ignore_errors=True)  # of older versions
    for folder in (apt / "state/lists/partial", archives / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()  # nothing is installed
    (apt / "sources.list").write_text(debian_sources(), encoding="utf-8")
    settings = {
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "-qq", "update")
    run("apt-get", *options, "-qq", "install", "--no-install-recommends", "--download-only", *_DEBIAN_PACKAGES)
    for package in sorted(archives.glob("*.deb")):
        run("dpkg-deb", "-x", package, root)


def debian_sources() -> str:
    """This computer's own sources of Debian packages, for arm64."""
    printed = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Origin: Debian")
    sources = sorted({line for line in printed.splitlines() if line.endswith(" main")})
    if not sources:
        unavailable("apt knows no packages of Debian; run: apt-get update")
    return "".join(f"deb [arch=arm64 signed-by={_KEYRING}] {source}\n" for source in sources)


def python_version(root: Path) -> str:
    """The version of the root's Python, such as 3.11."""
    target = (root / "usr/bin/python3").readlink()
    match = re.fullmatch(r"python(3\.\d+)", str(target))
    if match is None:
        raise ValueError(f"{root}/usr/bin/python3 links to {target}, which is not a version of Python")
    return match[1]


def install_wheels(root: Path, wheels: Path, version: str) -> None:
    """Unpack the wheels where Debian's Python looks for packages that pip installs."""
    shutil.rmtree(wheels, ignore_errors=True)
    platforms = [word for platform in _WHEEL_PLATFORMS for word in ("--platform", platform)]
    options = ("--only-binary", ":all:", "--no-deps", "--python-version", version, *platforms, "--dest", wheels)
    run(sys.executable, "-m", "pip", "download", "-q", *options, *requirements())
    packages = root / f"usr/local/lib/python{version}/dist-packages"
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)


def write_board(root: Path, board: Board, version: str) -> None:
    """Write what Linux says about the board, and the program that runs its Python."""
    facts = {"proc/cpuinfo": cpuinfo(board), "proc/device-tree/model": f"{board.name}\0"}
    for name, text in facts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    python = root / "usr/bin/emulated-python"  # here, because Python finds its library from its own place
    python.write_text(
        _PYTHON.format(qemu=shutil.which(QEMU), cpu=board.cpu, root=root, python=f"python{version}"), encoding="utf-8"
    )
    python.chmod(0o755)
    (root / _PROGRAM).parent.mkdir()
    for name in ("python", "python3"):
        (root / _PROGRAM).with_name(name).symlink_to(python)


def cpuinfo(board: Board) -> str:
    return "".join(
        _CPUINFO.format(number=n, features=board.features, part=board.part) for n in range(os.cpu_count() or 1)
    )


if __name__ == "__main__":
    main()

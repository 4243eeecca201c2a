"""Check and build a release, and print how to upload it. Uploads nothing.

    python scripts/release.py

The version in edgekit/version.py, the tag of the checked-out commit and the top entry of CHANGELOG.md must agree. The
wheel is built from the source archive, so that neither lacks a file, and predicts in a clean environment.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PREDICT = ("predict", "--csv", "--top", 1, "--model", "mobilenet_v2-cifar10-int8")
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_ENTRY = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?\n(.*?)(?=^## |^\[|\Z)", re.MULTILINE | re.DOTALL)


def main() -> None:
    version = _VERSION.findall((ROOT / "edgekit/version.py").read_text(encoding="utf-8"))[0]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    problems = disagreements(version, tags=git("tag", "--points-at", "HEAD").split(), changelog=changelog)
    if git("status", "--porcelain"):
        problems.append("the working tree has changes that are not committed")
    if problems:
        sys.exit("\n".join(f"error: {problem}" for problem in problems))
    with tempfile.TemporaryDirectory() as folder:
        archive, wheel = build(Path(folder))
        check_wheel(wheel, version, Path(folder))
        DIST.mkdir(exist_ok=True)
        files = [Path(shutil.copy(file, DIST)) for file in (archive, wheel)]
    for file in files:
        print(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1e6:.1f} MB  {sha256(file)}")
    print(f"edgekit {version} works in a clean environment. To upload it:")
    print("python -m twine upload", *(file.relative_to(ROOT).as_posix() for file in files))


def disagreements(version: str, *, tags: list[str], changelog: str) -> list[str]:
    """Why the version, the tags of the commit and the text of the changelog do not make a release."""
    problems = []
    if f"v{version}" not in tags:
        problems.append(f"edgekit.__version__ is {version}, but the commit's tags are: {', '.join(tags) or 'none'}")
    entries = {name: (day, text.strip()) for name, day, text in _ENTRY.findall(changelog)}
    if entries.pop("Unreleased", ("", ""))[1]:
        problems.append("CHANGELOG.md has lines under Unreleased; move them into the entry of the release")
    top = next(iter(entries), None)
    if top != version:
        problems.append(f"the top entry of CHANGELOG.md is {top}, not {version}")
    elif not all(entries[version]):
        problems.append(f"the entry of {version} in CHANGELOG.md needs a day (YYYY-MM-DD) and a text")
    return problems


def build(folder: Path) -> tuple[Path, Path]:
    """The source archive, and the wheel built from it."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder / "dist", cwd=ROOT)
    (archive,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    source = folder / archive.name.removesuffix(".tar.gz")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=source)
    (wheel,) = (folder / "dist").glob("*.whl")
    return archive, wheel


def check_wheel(wheel: Path, version: str, folder: Path) -> None:
    """Install the wheel in a new environment and let its command predict, outside of the source tree."""
    venv.create(folder / "clean")
    programs = folder / "clean" / ("Scripts" if os.name == "nt" else "bin")
    run(sys.executable, "-m", "pip", "-q", "--python", programs / "python", "install", wheel, cwd=folder)
    command = programs / "edgekit"
    if run(command, "--version", cwd=folder).strip() != f"edgekit {version}":
        sys.exit(f"error: the installed command does not report version {version}")
    prediction = run(command, *PREDICT, ROOT / "examples/ship.png", cwd=folder)
    if "ship" not in prediction.splitlines()[-1].split(","):
        sys.exit(f"error: the installed command does not recognize examples/ship.png: {prediction}")
    run(command, "doctor", cwd=folder)


def run(*command: object, cwd: Path) -> str:
    """The command's standard output. Ends the program if it fails."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def git(*arguments: str) -> str:
    return run("git", *arguments, cwd=ROOT)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()

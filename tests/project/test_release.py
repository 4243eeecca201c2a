"""The release script refuses what does not agree, and builds what does."""

import importlib.util
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from made_environments import ENVIRONMENT, ROOT

SPEC = importlib.util.spec_from_file_location("release", ROOT / "scripts/release.py")
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)

CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-12-01

### Added

- A thing.

## [1.1.0] - 2026-11-01

- An older thing.

[1.2.0]: https://example.org/1.2.0
"""


def test_disagreements_are_none_for_a_release():
    assert release.disagreements("1.2.0", tags=["v1.2.0", "latest"], changelog=CHANGELOG) == []
    assert release.disagreements("1.2.0", tags=["v1.2.0"], changelog=CHANGELOG.replace("## [Unreleased]\n", "")) == []


@pytest.mark.parametrize(
    ("version", "tags", "changed", "problems"),
    [
        ("1.2.0", [], ("", ""), ["the commit's tags are: none"]),
        ("1.2.0", ["1.2.0"], ("", ""), ["the commit's tags are: 1.2.0"]),
        ("1.3.0", ["v1.3.0"], ("", ""), ["the top entry of CHANGELOG.md is 1.2.0, not 1.3.0"]),
        ("1.1.0", ["v1.1.0"], ("", ""), ["the top entry of CHANGELOG.md is 1.2.0, not 1.1.0"]),
        ("1.2.0", ["v1.2.0"], ("[Unreleased]\n", "[Unreleased]\n\n- New.\n"), ["lines under Unreleased"]),
        ("1.2.0", ["v1.2.0"], (" - 2026-12-01", ""), ["needs a day"]),
        ("1.2.0", ["v1.2.0"], ("### Added\n\n- A thing.\n", ""), ["needs a day (YYYY-MM-DD) and a text"]),
        ("2.0.0", [], ("## [", "## "), ["the commit's tags are: none", "the top entry of CHANGELOG.md is None"]),
    ],
)
def test_disagreements_name_each_problem(version, tags, changed, problems):
    found = release.disagreements(version, tags=tags, changelog=CHANGELOG.replace(*changed))
    assert len(found) == len(problems)
    assert all(problem in line for problem, line in zip(problems, found, strict=True))


def test_changelog_has_an_entry_with_a_day_for_this_version():
    version = release._VERSION.findall((ROOT / "edgekit/version.py").read_text())[0]
    entries = {name: day for name, day, _ in release._ENTRY.findall((ROOT / "CHANGELOG.md").read_text())}
    assert date.fromisoformat(entries[version])


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository with a copy of this source tree, ready to be released."""
    for name in ("edgekit", "models", "scripts", "examples"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    version = release._VERSION.findall((ROOT / "edgekit/version.py").read_text())[0]
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG.replace("1.2.0", version))
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "release"), ("tag", f"v{version}")):
        subprocess.run(["git", *command], cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True)
    return tmp_path


@pytest.mark.slow
def test_release_builds_tries_and_uploads_nothing(repository):
    command = [sys.executable, "scripts/release.py"]
    environment = {**ENVIRONMENT, "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}  # no news from the index
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    wheel, archive = sorted((repository / "dist").iterdir(), key=lambda path: path.suffix != ".whl")
    assert wheel.name.startswith("edgekit_onnx-")
    assert archive.name.endswith(".tar.gz")
    assert "works in a clean environment" in done.stdout
    assert done.stdout.splitlines()[-1] == f"python -m twine upload dist/{archive.name} dist/{wheel.name}"

    (repository / "README.md").write_text("changed")
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: the working tree has changes that are not committed\n"

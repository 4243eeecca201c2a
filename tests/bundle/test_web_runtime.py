"""onnxruntime-web as it comes: installed, or packed by npm."""

import io
import json
import tarfile

import pytest
from made_javascript import PACKAGES, SCRIPTS

from edgekit.bundle.web_runtime import FILES, PACKAGE, TESTED_VERSION, read_web_runtime
from edgekit.errors import ArtifactError, SpecError

CONTENTS = {name: name.encode() for name in FILES}


def package_files(**manifest):
    return {"package.json": json.dumps({"name": PACKAGE, "version": "1.2.3", **manifest}).encode(), **CONTENTS}


def write_folder(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_archive(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"README.md": b"more", **files}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("write", [write_folder, write_archive])
def test_read_web_runtime_reads_folder_and_archive(write, tmp_path):
    runtime = read_web_runtime(write(tmp_path / "package.tgz", package_files()))
    assert runtime.version == "1.2.3"
    assert runtime.files == {target: name.encode() for name, target in FILES.items()}


def test_read_web_runtime_finds_the_package_that_npm_installed_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SpecError, match=rf"onnxruntime-web: not found; run `npm pack {PACKAGE}@{TESTED_VERSION}`, then"
    ):
        read_web_runtime(None)
    write_folder(tmp_path / "node_modules" / PACKAGE, package_files())
    assert read_web_runtime(None).version == "1.2.3"


@pytest.mark.parametrize("write", [write_folder, write_archive])
@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        (package_files(name="left-pad"), SpecError, "is the npm package 'left-pad', not onnxruntime-web"),
        (CONTENTS, SpecError, "not an npm package; run"),
        (package_files() | {"package.json": b"{"}, ArtifactError, "package.json of .* is not valid JSON"),
        (
            {"package.json": package_files()["package.json"]},
            ArtifactError,
            "'1.2.3' has no dist/ort.wasm.* use version",
        ),
    ],
)
def test_read_web_runtime_refuses_other_packages(write, files, error, message, tmp_path):
    with pytest.raises(error, match=message):
        read_web_runtime(write(tmp_path / "package.tgz", files))


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_read_web_runtime_refuses_other_files(content, tmp_path):
    path = tmp_path / "package.tgz"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"cannot be read as a .tgz archive"):
        read_web_runtime(path)


def test_read_web_runtime_of_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(SpecError, match=r"absent.tgz: cannot be opened: No such file or directory$"):
        read_web_runtime(tmp_path / "absent.tgz")


def test_read_web_runtime_refuses_a_file_that_would_fill_memory(tmp_path):
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"package/{next(iter(FILES))}")
        member.size = 2**26 + 1
        archive.addfile(member, io.BytesIO(bytes(2**26 + 1)))
    with pytest.raises(ArtifactError, match="has 67108865 bytes, more than 67108864"):
        read_web_runtime(path)


def test_tested_version_is_the_one_of_the_tests():
    dependencies = json.loads((SCRIPTS / "package.json").read_text())["dependencies"]
    assert dependencies[PACKAGE] == TESTED_VERSION
    if (PACKAGES / PACKAGE).is_dir():
        assert read_web_runtime(PACKAGES / PACKAGE).version == TESTED_VERSION

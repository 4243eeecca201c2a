from pathlib import Path

import pytest
from made_models import write_tiny

from edgekit.errors import ArtifactError, SpecError
from edgekit.files import sha256
from edgekit.image.decode_limits import DEFAULT_LIMITS, ImageLimits
from edgekit.serve.models import ModelStore, model_names
from edgekit.serve.request_errors import NotFound

BUILT_IN = "mobilenet_v2-cifar10-int8"


@pytest.fixture
def store(tmp_path):
    first, second = write_tiny(tmp_path / "first.v2.onnx"), write_tiny(tmp_path / "second.onnx", temperature=2.0)
    store = ModelStore([first, str(second)], limits=DEFAULT_LIMITS)
    yield store
    store.close()


def test_models_are_named_by_their_files(store, tmp_path):
    assert store.names() == ("first.v2", "second")
    assert [model.name for model in store] == ["first.v2", "second"]
    assert store.get().name == store.default == "first.v2"
    second = store.get("second")
    assert second.path == tmp_path / "second.onnx"
    assert second.sha256 == sha256((tmp_path / "second.onnx").read_bytes())
    assert second.classifier.options.threads == 1
    assert second.classifier.info.temperature == 2.0


def test_named_models_keep_their_names():
    store = ModelStore([BUILT_IN], limits=ImageLimits(max_pixels=5))
    assert store.names() == (BUILT_IN,)
    assert store.get(BUILT_IN).classifier.limits.max_pixels == 5
    store.close()


def test_default_model_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEKIT_MODEL", str(write_tiny(tmp_path / "mine.onnx")))
    assert list(model_names([])) == ["mine"]


def test_unknown_model_suggests_names(store):
    with pytest.raises(NotFound, match="unknown model 'seconds'; did you mean second") as refused:
        store.get("seconds")
    assert refused.value.status == 404
    with pytest.raises(NotFound, match=r"known: first\.v2, second"):
        store.get("")


def test_equal_names_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, names in {"a": ("x.onnx", ".onnx"), "b": ("x.ort",)}.items():
        Path(folder).mkdir()
        for name in names:
            Path(folder, name).touch()
    with pytest.raises(SpecError, match=r"a/x\.onnx and b/x\.ort would both be named x; rename one of the files"):
        model_names(["a/x.onnx", "b/x.ort"])
    with pytest.raises(SpecError, match="a model without a name"):
        model_names(["a/.onnx"])


def test_model_that_does_not_exist_is_refused_without_opening_any(tmp_path):
    (tmp_path / "broken.onnx").touch()
    assert list(model_names([tmp_path / "broken.onnx", BUILT_IN])) == ["broken", BUILT_IN]
    with pytest.raises(ArtifactError, match=r"absent\.onnx: no such file"):
        model_names([tmp_path / "broken.onnx", tmp_path / "absent.onnx"])
    with pytest.raises(ArtifactError, match="unknown model 'mobilenet_v2-cifar'"):
        model_names(["mobilenet_v2-cifar"])
    with pytest.raises(SpecError, match=r"`models` must be paths of files or names of models \(got 5\)"):
        model_names([5])


def test_model_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(ArtifactError, match=r"broken\.onnx"):
        ModelStore([tmp_path / "broken.onnx"], limits=DEFAULT_LIMITS)


def test_replaced_model_is_used_and_the_old_one_still_works(store, tmp_path):
    old = store.get("second")
    write_tiny(tmp_path / "second.onnx", temperature=3.0)
    store.replace(store.open("second", tmp_path / "second.onnx"))
    assert store.get("second").classifier.info.temperature == 3.0
    assert store.get("second").sha256 != old.sha256
    assert store.names() == ("first.v2", "second")
    old.classifier.warmup()

"""What every bundle contains, and what bundles share."""

import dataclasses
import json

import pytest
from made_models import tiny_info

from edgekit import Classifier
from edgekit.artifact.info import read_info
from edgekit.bundle.contents import PORTED, Bundle, BundledModel, require_portable, sources, write_contents
from edgekit.errors import SpecError
from edgekit.files import sha256
from edgekit.preprocess.spec import Preprocess
from edgekit.version import __version__

LANCZOS = Preprocess(resampler="tensorflow", interpolation="lanczos")


@pytest.fixture
def bundle(tiny_artifact, tmp_path):
    """A function: an empty bundle for a platform."""

    def make(platform: str = "web", name: str = "tiny") -> Bundle:
        model = BundledModel(name=name, data=tiny_artifact.read_bytes(), info=read_info(tiny_artifact))
        return Bundle(models=(model,), folder=tmp_path, platform=platform)

    return make


def test_write_contents_writes_model_description_golden_vectors_and_license(bundle, tmp_path, tiny_artifact):
    write_contents(bundle(), images=None, count=2)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    golden = ["golden/tiny-0.jpg", "golden/tiny-1.jpg"]
    beside = ["tiny.golden.bin", "tiny.golden.json", "tiny.json", "tiny.onnx"]
    assert files == ["LICENSE.txt", "bundle.json", *golden, *beside]
    assert (tmp_path / "tiny.onnx").read_bytes() == tiny_artifact.read_bytes()
    manifest = json.loads((tmp_path / "bundle.json").read_text())
    assert manifest == {
        "schema": 1,
        "platform": "web",
        "edgekit": __version__,
        "models": [{"description": "tiny.json", "golden": "tiny.golden.json"}],
        "runtime": None,
    }


def test_license_names_those_of_weights_and_sources(bundle, tmp_path):
    write_contents(bundle(), images=None, count=1)
    text = (tmp_path / "LICENSE.txt").read_text()
    assert "tiny: CC0-1.0\n" in text
    assert f"edgekit {__version__}: Apache-2.0" in text
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text


def test_license_that_is_unknown_is_not_left_out(tiny_artifact, tmp_path):
    info = dataclasses.replace(tiny_info(), license="unknown")
    models = (BundledModel(name="tiny", data=tiny_artifact.read_bytes(), info=info),)
    write_contents(Bundle(models=models, folder=tmp_path, platform="web"), images=None, count=1)
    assert "tiny: license unknown; ask" in (tmp_path / "LICENSE.txt").read_text()


def test_write_contents_for_phones_has_the_model_in_onnxruntimes_format(bundle, tmp_path):
    write_contents(bundle("android"), images=None, count=1)
    for document in ("tiny.json", "tiny.golden.json"):
        ort = json.loads((tmp_path / document).read_text())["ort"]
        assert ort == {"file": "tiny.ort", "sha256": sha256((tmp_path / "tiny.ort").read_bytes())}
    assert "MatMul" in (tmp_path / "tiny.required_operators.config").read_text()
    assert Classifier(tmp_path / "tiny.ort", trusted=True).labels == tiny_info().labels


def test_set_runtime_states_the_version_of_the_runtime(bundle, tmp_path):
    made = bundle()
    write_contents(made, images=None, count=1)
    made.set_runtime("onnxruntime-web", "1.30.0")
    manifest = json.loads((tmp_path / "bundle.json").read_text())
    assert manifest["runtime"] == {"name": "onnxruntime-web", "version": "1.30.0"}
    assert manifest["platform"] == "web"


def test_model_cannot_take_the_name_of_a_file_of_the_bundle(bundle):
    with pytest.raises(SpecError, match=r"^'bundle\.json' is a file of every web bundle; rename the model file$"):
        write_contents(bundle(name="bundle"), images=None, count=1)


def test_copy_sources_copies_the_files_of_a_platform_unchanged(bundle, tmp_path):
    bundle().copy_sources("python")
    assert sources("python").keys() >= {"start.py", "classify.py", "self_test.py"}
    assert {name: (tmp_path / name).read_bytes() for name in sources("python")} == sources("python")


@pytest.mark.parametrize("platform", PORTED)
def test_require_portable_refuses_what_ports_do_not_compute_exactly(platform):
    for resampler in ("pillow", "torch", "tensorflow"):
        require_portable(Preprocess(resampler=resampler), platform)
    require_portable(Preprocess(interpolation="lanczos"), platform)
    with pytest.raises(SpecError, match=f"the {platform} port .* has no interpolation lanczos of resampler tensorflow"):
        require_portable(LANCZOS, platform)


def test_require_portable_accepts_everything_for_python():
    require_portable(LANCZOS, "python")

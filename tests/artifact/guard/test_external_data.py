"""Weights in files beside an untrusted model: joined if they are plain files in the same folder, else refused."""

import os

import numpy as np
import onnx
import pytest
from made_plain import plain_model

from edgekit.artifact.guard.external_data import joined
from edgekit.artifact.guard.model_limits import ModelLimits
from edgekit.artifact.guard.scan import check_model
from edgekit.errors import ArtifactError


def external(folder, *, location="model.onnx.data", **entries):
    """Write plain_model with its weights in a file beside it; change entries of its first external tensor."""
    path = folder / "model.onnx"
    onnx.save(plain_model(), path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        entry.value = {"location": location, **entries}.get(entry.key, entry.value)
    path.write_bytes(model.SerializeToString())
    return path


def test_joined_reads_the_weights_of_a_model(tmp_path):
    path = external(tmp_path)
    model, files = joined(path.read_bytes(), path)
    assert files == ("model.onnx.data",)
    check_model(model, name="joined")
    tensors = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(model).graph.initializer
    }
    for tensor in plain_model().graph.initializer:
        np.testing.assert_array_equal(tensors[tensor.name], onnx.numpy_helper.to_array(tensor))


def test_joined_returns_a_complete_model_unchanged(tmp_path):
    model = plain_model().SerializeToString()
    assert joined(model, tmp_path / "absent" / "model.onnx") == (model, ())


def test_joined_names_a_missing_file(tmp_path):
    path = external(tmp_path)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(
        ArtifactError, match=r"model\.onnx: refused: its weights are in 'model\.onnx\.data', which is not"
    ):
        joined(path.read_bytes(), path)


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret", "sub/weights", "..", ".", "", "C:\\weights", "a\0b", "sub\\weights"]
)
def test_joined_reads_no_file_that_is_named_by_a_path(location, tmp_path):
    path = external(tmp_path, location=location)
    with pytest.raises(ArtifactError, match="only a file in the same folder, named without a path, is read") as caught:
        joined(path.read_bytes(), path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", ["symbolic-link", "hard-link", "folder", "fifo"])
def test_joined_reads_no_link_and_nothing_but_regular_files(kind, tmp_path):
    path = external(tmp_path)
    data, elsewhere = tmp_path / "model.onnx.data", tmp_path / "elsewhere"
    data.rename(elsewhere)
    if kind == "symbolic-link":
        data.symlink_to(elsewhere)
    elif kind == "hard-link":
        data.hardlink_to(elsewhere)
    elif kind == "folder":
        data.mkdir()
    else:
        os.mkfifo(data)
    with pytest.raises(ArtifactError, match="not a regular file with a single name"):
        joined(path.read_bytes(), path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": "1000000"}, "which has only .*; it is truncated"),
        ({"length": "1000000"}, "which has only .*; it is truncated"),
        ({"offset": "-1"}, r"the offset of external data must be a number of bytes \(got '-1'\)"),
        ({"length": "²"}, "the length of external data must be a number of bytes"),
        ({"offset": "9" * 5000}, "the offset of external data must be a number of bytes"),
    ],
    ids=str,
)
def test_joined_refuses_places_that_are_not_in_the_file(entries, message, tmp_path):
    path = external(tmp_path, **entries)
    with pytest.raises(ArtifactError, match=message) as caught:
        joined(path.read_bytes(), path)
    assert len(str(caught.value)) < 500


def test_joined_refuses_a_length_that_is_not_that_of_the_tensor(tmp_path):
    path = external(tmp_path, length="4")
    with pytest.raises(ArtifactError, match=r"declares \d+ elements but stores 4 bytes"):
        check_model(joined(path.read_bytes(), path)[0], name="joined")


def test_joined_limits_everything_together(tmp_path):
    path = external(tmp_path)
    with pytest.raises(ArtifactError, match=r"model\.onnx\.data: \d+ bytes, more than the limit of \d+ bytes"):
        joined(path.read_bytes(), path, limits=ModelLimits(max_bytes=path.stat().st_size + 100))
    # Tensors that share the bytes of the file are stored once each in the joined model.
    model = onnx.load(path, load_external_data=False)
    for number in range(100):
        model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"copy {number}"
    data = model.SerializeToString()
    limit = len(data) + (tmp_path / "model.onnx.data").stat().st_size + 1000
    with pytest.raises(ArtifactError, match="bytes with its external data, more than the limit"):
        joined(data, path, limits=ModelLimits(max_bytes=limit))

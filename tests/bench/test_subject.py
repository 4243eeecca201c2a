"""Which files can be benchmarked, and how a float32 parent is found."""

import pytest
from made_models import tiny_model, write_tiny
from onnx import TensorProto

from edgekit.bench.subject import open_parent, open_subject
from edgekit.errors import ArtifactError
from edgekit.hub.shipped import shipped_models


def test_open_parent_finds_it_beside_the_file_by_its_checksum(tmp_path):
    assert open_parent(open_subject("lenet5-mnist-int8")).path == shipped_models()["lenet5-mnist"]
    with pytest.raises(ArtifactError, match="no float32 parent"):
        open_parent(open_subject("lenet5-mnist"))
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(shipped_models()["lenet5-mnist-int8"].read_bytes())
    with pytest.raises(ArtifactError, match="does not lie beside"):
        open_parent(open_subject(alone))


def test_open_subject_refuses_other_inputs(tmp_path):
    model = tiny_model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(ArtifactError, match="one float32 or uint8 input"):
        open_subject(write_tiny(tmp_path / "int64.onnx", model))
    batch = tiny_model()
    batch.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7
    with pytest.raises(ArtifactError, match="one image"):
        open_subject(write_tiny(tmp_path / "seven.onnx", batch))

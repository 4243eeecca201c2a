"""Models that can be benchmarked, and the search for a float32 parent."""

import platform

import pytest
from made_models import tiny_model, write_tiny
from onnx import TensorProto

from edgekit.bench.subject import open_parent, open_subject
from edgekit.errors import ArtifactError, SpecError
from edgekit.hub.built_in import built_in_models


def test_open_parent_finds_the_parent_in_the_same_folder_by_checksum(tmp_path):
    assert open_parent(open_subject("lenet5-mnist-int8")).path == built_in_models()["lenet5-mnist"]
    with pytest.raises(ArtifactError, match="does not state its float32 parent"):
        open_parent(open_subject("lenet5-mnist"))
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(built_in_models()["lenet5-mnist-int8"].read_bytes())
    with pytest.raises(ArtifactError, match="not in the same folder"):
        open_parent(open_subject(alone))


def test_open_subject_rejects_other_inputs(tmp_path):
    model = tiny_model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(ArtifactError, match="one float32 or uint8 input"):
        open_subject(write_tiny(tmp_path / "int64.onnx", model))
    batch = tiny_model()
    batch.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7
    with pytest.raises(ArtifactError, match="input of one image"):
        open_subject(write_tiny(tmp_path / "seven.onnx", batch))


@pytest.mark.skipif(platform.machine().lower() in ("arm64", "aarch64"), reason="Arm times such files")
def test_open_subject_refuses_to_time_a_file_that_only_arm_runs_fast(tmp_path):
    model = write_tiny(tmp_path / "my model.onnx", parity={"quantize": {"target": "arm64"}})
    with pytest.raises(
        SpecError, match=r"not measured here, .* for arm64; .*`edgekit bundle '.*my model\.onnx' --for py"
    ):
        open_subject(model)

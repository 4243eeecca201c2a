"""Cutting large weights out of a file and putting them back changes no byte of them."""

import onnx
import pytest
from made_plain import plain_model

from edgekit.artifact.external_tensors import Reference, references, with_tensors, without_large_tensors
from edgekit.errors import ArtifactError


@pytest.mark.parametrize("least_bytes", [0, 100, 10**6])
def test_without_large_tensors_and_with_tensors_are_inverse(least_bytes):
    model = plain_model().SerializeToString()
    short = without_large_tensors(model, least_bytes=least_bytes)
    tensors = onnx.load_from_string(short).graph.initializer
    cut = [tensor.name for tensor in tensors if tensor.data_location == onnx.TensorProto.EXTERNAL]
    assert cut == {0: ["kernel", "head", "bias"], 100: ["kernel", "head"], 10**6: []}[least_bytes]
    assert len(references(short)) == len(cut)
    complete = b"".join(
        with_tensors(short, lambda place: memoryview(model)[place.offset : place.offset + place.length])
    )
    assert onnx.load_from_string(complete) == onnx.load_from_string(model)


def test_references_reads_location_offset_and_length():
    model = plain_model()
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    assert references(model.SerializeToString()) == [Reference("weights.bin", 0, None)]
    tensor.external_data.add(key="offset", value="4096")
    tensor.external_data.add(key="length", value="128")
    tensor.external_data.add(key="checksum", value="unused")
    assert references(model.SerializeToString()) == [Reference("weights.bin", 4096, 128)]


def test_references_raises_for_other_files():
    with pytest.raises(ArtifactError, match="not an ONNX file"):
        references(b"\x93NUMPY" * 10)

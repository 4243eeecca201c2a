import base64
import json
import struct

import numpy as np
import pytest
from made_tensors import SHAPE, VALUES, binary, image_tensor, parsed, tensor

from edgekit.errors import SpecError
from edgekit.serve.infer_request import Output
from edgekit.serve.request_errors import BodyTooLarge
from edgekit.serve.tensors import elements, largest, pixels, response


def refusal(function, *arguments, **options):
    with pytest.raises((SpecError, BodyTooLarge)) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 600
    return message


@pytest.mark.parametrize("data", [VALUES.tolist(), VALUES.ravel().tolist()], ids=["nested", "flat"])
def test_pixels_reads_json(data):
    np.testing.assert_array_equal(pixels(parsed({"inputs": [tensor(data=data)]}).input, shape=SHAPE, most=2), VALUES)


def test_pixels_reads_binary_data():
    data = VALUES.tobytes()
    read = pixels(parsed({"inputs": [binary(tensor(), data)]}, data).input, shape=SHAPE, most=2)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, VALUES)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"datatype": "FP32"}, "`inputs[0].datatype` must be 'UINT8' for 'pixels' (got 'FP32')"),
        ({"shape": [2, 3, 2, 3]}, "`inputs[0].shape` must be [N, 2, 3, 3], with N from 1 to 2 (got [2, 3, 2, 3])"),
        ({"shape": [36]}, "`inputs[0].shape` must be [N, 2, 3, 3]"),
        ({"shape": [0, 2, 3, 3]}, "with N from 1 to 2"),
        ({"shape": [3, 2, 3, 3]}, "more than the limit of 2 images"),
        ({"shape": [10**4000, 2, 3, 3]}, "more than the limit of 2 images"),
        ({"data": []}, "has 0 values, but its shape has 36"),
        ({"data": [0] * 37}, "has 37 values, but its shape has 36"),
        ({"data": VALUES.transpose(0, 2, 1, 3).tolist()}, "does not have the shape [2, 2, 3, 3]: axis 1 differs"),
        ({"data": [*VALUES[:1].tolist(), 0]}, "axis 1 differs"),
        ({"data": [0, *VALUES[:1].tolist()]}, "axis 1 differs"),
        ({"data": [0] * 35 + [256]}, "must be integers from 0 to 255"),
        ({"data": [0] * 35 + [-1]}, "must be integers from 0 to 255"),
        ({"data": [0] * 35 + [10**300]}, "must be integers from 0 to 255"),
        ({"data": [0] * 35 + [1.0]}, "must be integers from 0 to 255"),
        ({"data": [0] * 35 + [True]}, "must be integers from 0 to 255"),
        ({"data": [0] * 35 + [None]}, "must be integers from 0 to 255"),
        ({"data": [0] * 35 + ["x" * 10**6]}, "must be integers from 0 to 255"),
    ],
)
def test_pixels_refuses_other_tensors(changes, reason):
    read = parsed({"inputs": [tensor(**changes)]}).input
    assert reason in refusal(pixels, read, shape=SHAPE, most=2)


def test_pixels_refuses_binary_data_of_another_size_than_its_shape():
    read = parsed({"inputs": [binary(tensor(), b"12345")]}, b"12345").input
    assert "has 5 bytes, but its shape has 36" in refusal(pixels, read, shape=SHAPE, most=2)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_elements_reads_base64_and_binary_data(shape):
    texts = [base64.b64encode(data).decode() for data in (b"\xff\xd8", b"")]
    data = texts if len(shape) == 1 else [[text] for text in texts]
    assert elements(parsed({"inputs": [image_tensor(data, shape)]}).input, most=2) == [b"\xff\xd8", b""]
    packed = struct.pack("<I2sI", 2, b"\xff\xd8", 0)
    read = parsed({"inputs": [binary(image_tensor([], shape), packed)]}, packed).input
    assert elements(read, most=2) == [b"\xff\xd8", b""]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (image_tensor(["AA=="], datatype="UINT8"), "`inputs[0].datatype` must be 'BYTES' for 'image' (got 'UINT8')"),
        (image_tensor(["AA=="], (1, 2)), "must be [N] or [N, 1], with N from 1 to 2 (got [1, 2])"),
        (image_tensor([], (0,)), "with N from 1 to 2"),
        (image_tensor(["AA=="] * 3, (3,)), "more than the limit of 2 images"),
        (image_tensor(["AA=="] * 2), "has 2 values, but its shape has 1"),
        (image_tensor(["AA="]), "`inputs[0].data[0]` is not base64"),
        (image_tensor(["é"]), "`inputs[0].data[0]` is not base64"),
        (image_tensor(["A\nA=="]), "`inputs[0].data[0]` is not base64"),
        (image_tensor([3]), "`inputs[0].data[0]` must be a string in base64 (got 3)"),
        (image_tensor([None]), "must be a string in base64 (got None)"),
    ],
)
def test_elements_refuses_other_tensors(fields, reason):
    assert reason in refusal(elements, parsed({"inputs": [fields]}).input, most=2)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\1\0\0", "has 0 elements and 3 more bytes"),
        (struct.pack("<I", 5) + b"abc", "element 0 has 5 bytes, but only 3 follow"),
        (struct.pack("<I", 2**32 - 1), "element 0 has 4294967295 bytes, but only 0 follow"),
        (struct.pack("<I", 3) + b"abc", "has 1 elements and 0 more bytes, but its shape has 2"),
        (struct.pack("<IIB", 0, 0, 7), "has 2 elements and 1 more bytes"),
    ],
)
def test_elements_refuses_lengths_that_do_not_fit(data, reason):
    read = parsed({"inputs": [binary(image_tensor([], (2,)), data)]}, data).input
    assert reason in refusal(elements, read, most=2)


def test_response_writes_json_and_binary_data():
    logits = np.array([[1.5, -2], [0, 3]], np.float32)
    outputs = [(Output("logits", binary=True), logits), (Output("probabilities"), logits.astype(np.float64))]
    body, length = response({"model_name": "é"}, [*outputs, (Output("labels", binary=True), [["é"], [""]])])
    head = json.loads(body[:length])
    assert head["model_name"] == "é"
    assert [output["datatype"] for output in head["outputs"]] == ["FP32", "FP64", "BYTES"]
    assert [output["shape"] for output in head["outputs"]] == [[2, 2], [2, 2], [2, 1]]
    assert head["outputs"][1]["data"] == [1.5, -2, 0, 3]
    assert [output.get("parameters") for output in head["outputs"]] == [
        {"binary_data_size": 16},
        None,
        {"binary_data_size": 10},
    ]
    assert body[length:] == np.array([1.5, -2, 0, 3], "<f4").tobytes() + struct.pack("<I2sI", 2, "é".encode(), 0)


def test_response_without_binary_data_is_json_alone():
    body, length = response({}, [(Output("labels"), [["a", "b"]])])
    assert length is None
    assert json.loads(body) == {
        "outputs": [{"name": "labels", "datatype": "BYTES", "shape": [1, 2], "data": ["a", "b"]}]
    }


def test_largest_lists_the_largest_values_with_their_classes():
    values = np.array([[0.25, 0.5, 0.25], [0.125, 0, 0.875]])
    assert largest(values, ("a", "b", "c"), 2) == [["0.5:1:b", "0.25:0:a"], ["0.875:2:c", "0.125:0:a"]]
    assert largest(values[:1], ("a", "b", "c"), 9) == [["0.5:1:b", "0.25:0:a", "0.25:2:c"]]

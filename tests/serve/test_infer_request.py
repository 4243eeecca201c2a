import tracemalloc

import pytest
from made_tensors import binary, image_tensor, parsed, tensor

from edgekit.errors import SpecError
from edgekit.serve.infer_request import Output
from edgekit.serve.request_errors import BodyTooLarge


def refusal(document, data=b""):
    with pytest.raises((SpecError, BodyTooLarge)) as caught:
        parsed(document, data)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 600
    return message


def test_parse_request_reads_every_field():
    selected = [{"name": "logits", "parameters": {"classification": 2}}, {"name": "probabilities"}]
    document = {"id": "7", "inputs": [tensor()], "outputs": selected, "parameters": {"crops": "flip"}}
    request = parsed(document, parameters=("crops",))
    assert request.id == "7"
    assert request.input[:3] == ("pixels", "UINT8", (2, 2, 3, 3))
    assert request.outputs == (Output("logits", classes=2), Output("probabilities"))
    assert request.parameters == {"crops": "flip"}


def test_parse_request_selects_every_output_unless_the_request_does():
    assert parsed({"inputs": [tensor()]}).outputs == (Output("logits"), Output("probabilities"))
    assert parsed({"inputs": [tensor()], "outputs": []}).outputs == (Output("logits"), Output("probabilities"))


def test_parse_request_returns_outputs_as_binary_data_where_the_request_asks_for_it():
    everywhere = {"inputs": [tensor()], "parameters": {"binary_data_output": True}}
    assert parsed(everywhere).outputs == (Output("logits", binary=True), Output("probabilities", binary=True))
    but_one = everywhere | {"outputs": [{"name": "logits", "parameters": {"binary_data": False}}]}
    assert parsed(but_one).outputs == (Output("logits"),)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"\x00", "not valid JSON"),
        (b"[" * 50_000, "more than the limit of 1000 values"),
        (b'{"id": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (b"[]", "must be a JSON object (got [])"),
        ({}, "`request.inputs` is missing"),
        ({"inputs": {}}, "`request.inputs` must be a list"),
        ({"inputs": []}, "`inputs` must be exactly one tensor (got 0)"),
        ({"inputs": [tensor(), tensor()]}, "(got 2)"),
        ({"inputs": [3]}, "`inputs[0]` must be a JSON object (got 3)"),
        ({"inputs": [tensor()], "id": 3}, "`request.id` must be a string (got 3)"),
        ({"inputs": [tensor()], "id": "\ud800"}, "`id` must be"),
        ({"inputs": [tensor()], "id": "x" * 201}, "`id` must be"),
        ({"inputs": [tensor()], "input": []}, "unknown field of `request` 'input'; did you mean inputs or outputs?"),
        ({"inputs": [tensor()], "parameters": {"sequence_id": 1}}, "unknown field of `parameters` 'sequence_id'"),
        ({"inputs": [tensor()], "parameters": {"binary_data_output": 1}}, "must be true or false (got 1)"),
        ({"inputs": [tensor()], "outputs": [{"name": "x"}]}, "unknown `outputs[0]` 'x'; known: logits, probabilities"),
        ({"inputs": [tensor()], "outputs": [{}]}, "`outputs[0].name` is missing"),
        ({"inputs": [tensor()], "outputs": [{"name": "logits"}] * 2}, "`outputs[1]` is 'logits' again; each output"),
        ({"inputs": [tensor()], "outputs": [{"name": "logits"}] * 300}, "`outputs[1]` is 'logits' again"),
        (
            {"inputs": [tensor()], "outputs": [{"name": "logits", "parameters": {"classification": -1}}]},
            "`outputs[0].parameters.classification` must be an integer from 0 (got -1)",
        ),
        ({"inputs": [tensor(shape=[])]}, "`inputs[0].shape` must be 1 to 8 integers"),
        ({"inputs": [tensor(shape=[1] * 9)]}, "`inputs[0].shape` must be 1 to 8 integers"),
        ({"inputs": [tensor(shape=[True])]}, "`inputs[0].shape` must be 1 to 8 integers"),
        ({"inputs": [tensor(shape=[-1])]}, "`inputs[0].shape` must be 1 to 8 integers"),
        ({"inputs": [tensor(shape=[1.0])]}, "`inputs[0].shape` must be 1 to 8 integers"),
        ({"inputs": [tensor(parameters={"shared_memory_region": "r"})]}, "unknown field of `inputs[0].parameters`"),
        ({"inputs": [tensor(parameters={"content_type": "np"})]}, "content_type` must be 'base64' (got 'np')"),
        ({"inputs": [tensor(parameters={"binary_data_size": 4})]}, "must have either `data` or the parameter"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1]}]}, "must have either `data` or"),
    ],
)
def test_parse_request_refuses_what_is_not_a_request(document, reason):
    assert reason in refusal(document)


def test_parse_request_refuses_binary_data_of_another_size_than_stated():
    five = {"inputs": [binary(image_tensor([]), b"12345")]}
    assert "has 5 bytes of binary data, but 3 follow" in refusal(five, b"abc")
    assert "has 0 bytes of binary data, but 3 follow" in refusal({"inputs": [tensor()]}, b"abc")


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,", b"[[[[[[[],"])
def test_parse_request_refuses_documents_of_millions_of_values_without_building_them(unit):
    body = b'{"inputs": [' + unit * (2**23 // len(unit)) + b"0]}"
    tracemalloc.start()
    assert "more than the limit of 1000 values" in refusal(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000

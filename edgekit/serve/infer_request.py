"""Inference requests of the Open Inference Protocol: JSON, followed by the data of a binary tensor if there is one.

The protocol: https://github.com/kserve/open-inference-protocol, section "Inference". Its extensions "Binary tensor
data" and "Classification" are described in the documentation of Triton.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from edgekit.errors import SpecError, is_unicode, must_be, unknown
from edgekit.serve.request_errors import BodyTooLarge

_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "an integer from 0"}
_MAX_DIMENSIONS, _MAX_ID = 8, 200


class Input(NamedTuple):
    """The input of a request.

    Attributes:
        name: which input of the model.
        datatype: such as "UINT8".
        shape: as stated; `pixels` and `elements` compare the data with it.
        data: JSON values, flat or nested as `shape`, or the bytes of a binary tensor.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | memoryview


class Output(NamedTuple):
    """An output that a request selects.

    Attributes:
        name: which output of the model.
        binary: whether it is returned as raw bytes.
        classes: number of its largest values to return with their classes; 0 for the whole tensor.
    """

    name: str
    binary: bool = False
    classes: int = 0


class InferRequest(NamedTuple):
    """An inference request.

    Attributes:
        id: repeated in the response; None if there is none.
        input: the one input.
        outputs: in the order of the response.
        parameters: those of the request that are not the protocol's own.
    """

    id: str | None
    input: Input
    outputs: tuple[Output, ...]
    parameters: Mapping[str, Any]


def parse_request(
    body: bytes,
    json_bytes: int | None,
    *,
    outputs: tuple[str, ...],
    most_values: int,
    parameters: Collection[str] = (),
) -> InferRequest:
    """Parse the body of an inference request.

    Args:
        body: JSON, followed by the data of the input if that is a binary tensor.
        json_bytes: length of the JSON, 0 to that of the body; None if it is the whole body.
        outputs: names of the model's outputs; a request that selects none gets all of them.
        most_values: largest number of values in the JSON.
        parameters: names of the parameters that are accepted beside those of the protocol.

    Raises:
        BodyTooLarge: the JSON has more values.
        SpecError: the request is not valid.
    """
    document = _parse_json(body if json_bytes is None else body[:json_bytes], most_values)
    _check_fields(document, "request", {"inputs": list}, {"id": str, "parameters": dict, "outputs": list})
    identity, settings = document.get("id"), dict(document.get("parameters", {}))
    _check_fields(settings, "parameters", {}, {"binary_data_output": bool}, others=parameters)
    if identity is not None and (len(identity) > _MAX_ID or not is_unicode(identity)):
        raise SpecError(must_be("id", f"at most {_MAX_ID} characters of Unicode", identity))
    if len(document["inputs"]) != 1:
        raise SpecError(f"`inputs` must be exactly one tensor (got {len(document['inputs'])})")
    binary = settings.pop("binary_data_output", False)
    return InferRequest(
        identity,
        _input(document["inputs"][0], memoryview(body)[len(body) if json_bytes is None else json_bytes :]),
        _outputs(document.get("outputs") or [{"name": name} for name in outputs], outputs, binary=binary),
        settings,
    )


def _parse_json(data: bytes, most_values: int) -> dict[str, Any]:
    # Counted before they are built: an empty list takes 3 bytes here and 60 in memory.
    if sum(map(data.count, (b",", b"[", b"{"))) > most_values:
        raise BodyTooLarge(f"the JSON has more than the limit of {most_values} values; send the tensor as binary data")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:  # json.JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise SpecError(f"the request is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise SpecError(must_be("request", "a JSON object", document))
    return document


def _check_fields(
    value: object,
    where: str,
    required: Mapping[str, type],
    optional: Mapping[str, type],
    *,
    others: Collection[str] = (),
) -> None:
    """Raises SpecError for what is not an object, a field that is missing or unknown, and a value of another type."""
    if not isinstance(value, dict):
        raise SpecError(must_be(where, "a JSON object", value))
    kinds = {**required, **optional}
    for name in value:
        if name not in kinds and name not in others:
            raise SpecError(unknown(f"field of `{where}`", name, [*kinds, *others]))
    for name, kind in kinds.items():
        if name in value:
            is_kind = type(value[name]) is kind and (kind is not int or value[name] >= 0)
            if not is_kind:
                raise SpecError(must_be(f"{where}.{name}", _KINDS[kind], value[name]))
        elif name in required:
            raise SpecError(f"`{where}.{name}` is missing")


def _input(document: Any, rest: memoryview) -> Input:
    where = "inputs[0]"
    required = {"name": str, "datatype": str, "shape": list}
    _check_fields(document, where, required, {"parameters": dict, "data": list})
    settings, shape = document.get("parameters", {}), document["shape"]
    _check_fields(settings, f"{where}.parameters", {}, {"binary_data_size": int, "content_type": str})
    if settings.get("content_type", "base64") != "base64":
        raise SpecError(must_be(f"{where}.parameters.content_type", "'base64'", settings["content_type"]))
    if not 1 <= len(shape) <= _MAX_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        raise SpecError(must_be(f"{where}.shape", f"1 to {_MAX_DIMENSIONS} integers from 0", shape))
    size, data = settings.get("binary_data_size"), document.get("data")
    if (size is None) == (data is None):
        raise SpecError(f"`{where}` must have either `data` or the parameter `binary_data_size`")
    if len(rest) != (size or 0):
        raise SpecError(f"`{where}` has {size or 0} bytes of binary data, but {len(rest)} follow the JSON")
    return Input(document["name"], document["datatype"], tuple(shape), rest if data is None else data)


def _outputs(documents: list[Any], known: tuple[str, ...], *, binary: bool) -> tuple[Output, ...]:
    """Each of them once: a short request must not get the same tensor a million times."""
    few = documents[: len(known) + 1]
    selected = tuple(_output(output, f"outputs[{n}]", known, binary=binary) for n, output in enumerate(few))
    names = [output.name for output in selected]
    for n, name in enumerate(names):
        if name in names[:n]:
            raise SpecError(f"`outputs[{n}]` is {name!r} again; each output can be selected once")
    return selected


def _output(document: Any, where: str, known: tuple[str, ...], *, binary: bool) -> Output:
    _check_fields(document, where, {"name": str}, {"parameters": dict})
    settings = document.get("parameters", {})
    _check_fields(settings, f"{where}.parameters", {}, {"binary_data": bool, "classification": int})
    if document["name"] not in known:
        raise SpecError(unknown(f"`{where}`", document["name"], known))
    return Output(document["name"], settings.get("binary_data", binary), settings.get("classification", 0))

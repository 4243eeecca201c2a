"""JSON Schemas of what requests and responses contain, by their names in the OpenAPI document."""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]


def reference(name: str) -> Schema:
    """A schema of this module, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Schema, *, optional: tuple[str, ...] = (), is_open: bool = False, **fields: Any) -> Schema:
    """The schema of an object.

    Args:
        properties: schemas of its fields.
        optional: the names of those that may be missing.
        is_open: whether there may be others.
        fields: of the schema, such as `description`.
    """
    required = [name for name in properties if name not in optional]
    closed = {} if is_open else {"additionalProperties": False}
    return {"type": "object", **fields, "properties": properties, "required": required, **closed}


def array(items: Schema, **fields: Any) -> Schema:
    """The schema of a list."""
    return {"type": "array", "items": items, **fields}


BINARY: Schema = {"type": "string", "format": "binary"}
_TEXT: Schema = {"type": "string"}
_SIZE: Schema = {"type": "integer", "minimum": 0}
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
_PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}

# What the values of a tensor look like: flat, or nested as its shape.
_DATA: Schema = array({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, _BASE64, {"type": "array"}]})

_PREDICTIONS: dict[str, Schema] = {
    "Error": record({"error": {**_TEXT, "description": "What failed and what to do, in one line."}}),
    "Score": record({"label": _TEXT, "index": _SIZE, "probability": _PROBABILITY}),
    "Prediction": record(
        {
            "schema": {"const": 1},
            "path": {**_TEXT, "description": 'Name of the image: that of its file, or "-" for the body of a request.'},
            "model": {**_TEXT, "description": "Name of the model."},
            "labels": array(reference("Score"), description="Of a multi-label model: the classes above thresholds."),
            "top": array(reference("Score"), description="The most probable classes, most probable first."),
        },
        optional=("labels",),
        description="A line of `edgekit predict --json`.",
    ),
    "Failure": record(
        {"schema": {"const": 1}, "path": _TEXT, "error": record({"type": _TEXT, "message": _TEXT})},
        description="The line of an image that cannot be predicted, among others.",
    ),
    "Line": {"oneOf": [reference("Prediction"), reference("Failure")]},
    "ImagesInJson": {
        "oneOf": [
            record({"image": {**_BASE64, "description": "An image file in base64."}}),
            record({"images": array(_BASE64, minItems=1, description="Several image files in base64.")}),
            record({"url": {**_TEXT, "description": "Address of an image, if the server allows it."}}),
        ]
    },
    "ImageForm": {
        "type": "object",
        "description": "One or more files, under any names.",
        "properties": {"image": array(BINARY, minItems=1)},
        "additionalProperties": False,
        "required": ["image"],
    },
}

_MODELS: dict[str, Schema] = {
    "ModelSummary": record(
        {
            "name": {**_TEXT, "description": "Name of the model in requests."},
            "sha256": {**_SHA256, "description": "Of the model file."},
            "model": {**_TEXT, "description": "Name of the network."},
            "precision": {"enum": ["float32", "float16", "int8"]},
            "task": {"enum": ["single-label", "multi-label"]},
            "labels": {**_SIZE, "description": "Number of classes."},
            "outputs": array(_TEXT),
            "license": _TEXT,
        }
    ),
    "Models": record(
        {
            "schema": {"const": 1},
            "default": {**_TEXT, "description": "Name of the model that is used if a request names none."},
            "models": array(reference("ModelSummary"), minItems=1, description="The default first."),
        }
    ),
    "ModelDocument": record(
        {"model": _TEXT, "labels": array(_TEXT, minItems=1), "preprocess": {"type": "object"}, "license": _TEXT},
        is_open=True,
        description="What `edgekit inspect --json` prints for the model's file.",
    ),
}

_PROTOCOL: dict[str, Schema] = {
    "ServerMetadata": record({"name": _TEXT, "version": _TEXT, "extensions": array(_TEXT)}),
    "ServerLive": record({"live": {"const": True}}),
    "ServerReady": record({"ready": {"type": "boolean"}}),
    "ModelReady": record({"name": _TEXT, "ready": {"const": True}}),
    "TensorMetadata": record({"name": _TEXT, "datatype": _TEXT, "shape": array({"type": "integer", "minimum": -1})}),
    "ModelMetadata": record(
        {
            "name": _TEXT,
            "versions": array(_TEXT),
            "platform": _TEXT,
            "inputs": array(reference("TensorMetadata"), description="A request has one of them."),
            "outputs": array(reference("TensorMetadata")),
        }
    ),
    "InferInput": record(
        {
            "name": {"enum": ["pixels", "image"]},
            "datatype": {"enum": ["UINT8", "BYTES"]},
            "shape": array(_SIZE, minItems=1, maxItems=8),
            "parameters": record(
                {"binary_data_size": _SIZE, "content_type": {"const": "base64"}},
                optional=("binary_data_size", "content_type"),
            ),
            "data": {**_DATA, "description": "Flat, or nested as `shape`; absent with `binary_data_size`."},
        },
        optional=("parameters", "data"),
        description="`pixels`: UINT8 [N, height, width, channels]. `image`: BYTES [N] or [N, 1], files in base64.",
    ),
    "RequestedOutput": record(
        {
            "name": {"enum": ["logits", "probabilities"]},
            "parameters": record(
                {"binary_data": {"type": "boolean"}, "classification": _SIZE},
                optional=("binary_data", "classification"),
            ),
        },
        optional=("parameters",),
    ),
    "InferRequest": record(
        {
            "id": {**_TEXT, "maxLength": 200},
            "inputs": array(reference("InferInput"), minItems=1, maxItems=1),
            "outputs": array(reference("RequestedOutput"), description="By default all."),
            "parameters": record(
                {"binary_data_output": {"type": "boolean"}, "crops": _TEXT},
                optional=("binary_data_output", "crops"),
            ),
        },
        optional=("id", "outputs", "parameters"),
    ),
    "OutputTensor": record(
        {
            "name": {"enum": ["logits", "probabilities"]},
            "datatype": {"enum": ["FP32", "FP64", "BYTES"]},
            "shape": array(_SIZE, minItems=2, maxItems=2),
            "data": array({"type": ["number", "string"]}, description="Flat."),
            "parameters": record({"binary_data_size": _SIZE}),
        },
        optional=("data", "parameters"),
    ),
    "InferResponse": record(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "outputs": array(reference("OutputTensor"), minItems=1),
        },
        optional=("id",),
    ),
}

SCHEMAS: dict[str, Schema] = {**_PREDICTIONS, **_MODELS, **_PROTOCOL}

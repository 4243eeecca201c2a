"""Requests of the Open Inference Protocol."""

import json

import numpy as np

from edgekit.serve.infer_request import parse_request

SHAPE = (2, 3, 3)
VALUES = np.arange(36, dtype=np.uint8).reshape(2, *SHAPE)
MOST_VALUES = 1000
OUTPUTS = ("logits", "probabilities")


def tensor(**changes):
    """The input of a valid request, changed."""
    return {"name": "pixels", "datatype": "UINT8", "shape": [2, 2, 3, 3], "data": VALUES.tolist()} | changes


def image_tensor(data, shape=(1,), **changes):
    """An input of encoded images."""
    return {"name": "image", "datatype": "BYTES", "shape": list(shape), "data": data} | changes


def binary(fields, data):
    """The same input with binary data."""
    others = {name: value for name, value in fields.items() if name != "data"}
    return others | {"parameters": {"binary_data_size": len(data)}}


def parsed(document, data=b"", **options):
    """The request of a document, or of text that is none, with binary data behind it."""
    head = document if isinstance(document, bytes) else json.dumps(document).encode()
    json_bytes = len(head) if data else None
    return parse_request(head + data, json_bytes, outputs=OUTPUTS, most_values=MOST_VALUES, **options)

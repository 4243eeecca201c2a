"""Requests for scripts/fuzz_serve.py: valid ones, and ones that break the rules of HTTP, forms, JSON and tensors."""

from __future__ import annotations

import base64
import json
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import request_parts as parts
from fuzzing import mutated

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "made"))

import made_images

IMAGE = made_images.encoded(made_images.quadrants(), "PNG")
PIXELS = bytes(range(240))  # what the tiny model of the tests takes
BOUNDARY = b"0123456789"
Head = list[bytes]


def request(line: bytes, headers: Head, body: bytes = b"", *, length: bool = True) -> bytes:
    """A request; length: whether it has Content-Length."""
    lengths = [b"Content-Length: %d" % len(body)] if length and body else []
    return b"\r\n".join([line, b"Host: 127.0.0.1", *headers, *lengths, b"", body])


def document(rng: random.Random) -> tuple[bytes, Any]:
    """A valid path and JSON document."""
    image = base64.b64encode(IMAGE).decode()
    encoded = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [image]}
    cut = {"name": "pixels", "datatype": "UINT8", "shape": [1, 8, 10, 3], "data": list(PIXELS)}
    selected = [{"name": "logits", "parameters": {"binary_data": True, "classification": 2}}]
    return rng.choice(
        (
            (b"/predict", {"image": image}),
            (b"/predict", {"images": [image, image]}),
            (b"/predict", {"url": "http://127.0.0.1/"}),
            (b"/v2/models/tiny/infer", {"id": "1", "inputs": [encoded], "parameters": {"crops": "flip"}}),
            (b"/v2/models/tiny/infer", {"inputs": [cut], "outputs": selected}),
        )
    )


def valid(rng: random.Random) -> bytes:
    """A valid request."""
    part = b'Content-Disposition: form-data; name="a"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    form = b"".join(b"--%s\r\n%s%s\r\n" % (BOUNDARY, part, IMAGE) for _ in range(2)) + b"--%s--\r\n" % BOUNDARY
    shape = {"name": "pixels", "datatype": "UINT8", "shape": [1, 8, 10, 3], "parameters": {"binary_data_size": 240}}
    head = json.dumps({"inputs": [shape], "parameters": {"binary_data_output": True}}).encode()
    raw = struct.pack("<I", len(IMAGE)) + IMAGE
    fields = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(raw)}}
    other = json.dumps({"inputs": [fields]}).encode()
    path, content = document(rng)
    infer = b"POST /v2/models/tiny/infer HTTP/1.1"
    return rng.choice(
        (
            request(b"POST /predict?top=3 HTTP/1.1", [], IMAGE),
            request(b"POST /heat-map HTTP/1.1", [], IMAGE),
            request(b"POST /predict HTTP/1.1", [b"Content-Type: multipart/form-data; boundary=" + BOUNDARY], form),
            request(b"POST %s HTTP/1.1" % path, [b"Content-Type: application/json"], json.dumps(content).encode()),
            request(infer, [b"Inference-Header-Content-Length: %d" % len(head)], head + PIXELS),
            request(infer, [b"Inference-Header-Content-Length: %d" % len(other)], other + raw),
            request(b"POST /predict HTTP/1.1", [b"Transfer-Encoding: chunked"], chunked(rng), length=False),
            request(b"%s %s HTTP/1.1" % (rng.choice((b"GET", b"HEAD", b"DELETE")), rng.choice(parts.GETS)), []),
        )
    )


def chunked(rng: random.Random, *, broken: bool = False) -> bytes:
    """An image in chunks."""
    cut = rng.randrange(1, len(IMAGE))
    result = b""
    for piece in (IMAGE[:cut], IMAGE[cut:], b""):
        size = rng.choice(parts.CHUNK_SIZES) if broken and rng.random() < 0.5 else b"%x" % len(piece)
        result += b"%s\r\n%s%s" % (size, piece, rng.choice((b"\r\n", b"\n", b"")) if broken else b"\r\n")
    return result


def mutated_request(rng: random.Random) -> bytes:
    return mutated(valid(rng), rng, other=valid(rng))


def mutated_head(rng: random.Random) -> bytes:
    head, end, body = valid(rng).partition(b"\r\n\r\n")
    return mutated(head, rng, other=valid(rng)[:200]) + end + body


def mutated_body(rng: random.Random) -> bytes:
    """A request whose Content-Length fits the mutated body."""
    head, _, body = valid(rng).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith((b"Content-Length", b"Transfer-Encoding"))]
    return request(lines[0], lines[2:], mutated(body, rng, other=IMAGE))


def broken_headers(rng: random.Random) -> bytes:
    """A request with headers that break the rules, or two that contradict each other."""
    line, *lines = valid(rng).partition(b"\r\n\r\n")[0].split(b"\r\n")
    body = rng.choice((IMAGE, b"{}", b"0\r\n\r\n", b""))
    for _ in range(rng.choice((1, 1, 2, 5))):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(parts.HEADERS))
    return b"\r\n".join([line, *lines, b"", body])


def broken_line(rng: random.Random) -> bytes:
    """A request whose first line is unusual."""
    line = b" ".join(map(rng.choice, (parts.METHODS, parts.PATHS, parts.VERSIONS)))
    return request(line, [], rng.choice((IMAGE, b"")))


def broken_chunks(rng: random.Random) -> bytes:
    return request(b"POST /predict HTTP/1.1", [b"Transfer-Encoding: chunked"], chunked(rng, broken=True), length=False)


def broken_document(rng: random.Random) -> bytes:
    """A document with other values at some places."""
    path, content = document(rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = replaced(content, rng)
    try:
        body = json.dumps(content).encode("utf-8", "surrogatepass")
    except RecursionError:
        body = b"[" * 100_000
    return request(b"POST %s HTTP/1.1" % path, [b"Content-Type: application/json"], body)


def replaced(value: Any, rng: random.Random) -> Any:
    """The value with one of its parts replaced, renamed, repeated or left out."""
    if rng.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return rng.choice(parts.VALUES)
    if isinstance(value, list):
        index = rng.randrange(len(value))
        change = rng.choice(((), (value[index],) * 3, (replaced(value[index], rng),)))
        return [*value[:index], *change, *value[index + 1 :]]
    key = rng.choice(list(value))
    others = {name: entry for name, entry in value.items() if name != key}
    new_key = rng.choice((key, key, key, key, "x", "data", "parameters", "\ud800"))
    return others if rng.random() < 0.1 else {**others, new_key: replaced(value[key], rng)}


def truncated(rng: random.Random) -> bytes:
    data = valid(rng)
    return data[: rng.randrange(len(data))]


def pipelined(rng: random.Random) -> bytes:
    return b"".join(rng.choice((valid, valid, mutated_request, truncated))(rng) for _ in range(rng.choice((2, 3, 10))))


def garbage(rng: random.Random) -> bytes:
    """Bytes of another protocol, or of none."""
    return rng.choice(
        (
            rng.randbytes(rng.choice((1, 100, 10_000))),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(30),
            b"SSH-2.0-OpenSSH_9.0\r\n",
            b"\r\n" * 10_000,
            b"\n\n\n",
            b"\x00" * 1000,
            b"GET / HTTP/1.1\n\n",
            b"GET /\r\n\r\n",
            b"A" * 100_000,
        )
    )


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    valid,
    mutated_request,
    mutated_head,
    mutated_body,
    mutated_body,
    broken_headers,
    broken_headers,
    broken_line,
    broken_chunks,
    broken_document,
    broken_document,
    truncated,
    pipelined,
    garbage,
)

"""Hostile documents in the metadata of a model file."""

import json
from collections.abc import Iterator
from typing import Any

from edgekit.artifact.protobuf import delimited


def metadata_entries(*texts: str | bytes) -> bytes:
    """Encode metadata of a model file: one entry with the key "edgekit" for each text."""
    entries = (
        delimited(1, b"edgekit") + delimited(2, text if isinstance(text, bytes) else text.encode()) for text in texts
    )
    return b"".join(delimited(14, entry) for entry in entries)


def hostile_documents(entry: dict[str, Any]) -> Iterator[tuple[str, str | bytes]]:
    """Yield metadata that must be refused, made from a valid document: a name and the text."""

    def changed(**values: object) -> str:
        return json.dumps(entry | values)

    def preprocess(**values: object) -> str:
        return changed(preprocess=entry["preprocess"] | values)

    yield "not-json", "{"
    yield "a-list", "[]"
    yield "foreign-bytes", b'{"\xff\xfe": 1}'
    yield "deep", "[" * 10**6
    yield "deep-in-parity", changed(parity={"x": 0}).replace('"x": 0', '"x": ' + "[" * 500 + "]" * 500)
    yield "long", json.dumps([[]] * 4_000_000)
    yield "long-number", '{"schema": ' + "9" * 10**6 + "}"
    yield "schema-3", changed(schema=3)
    yield "schema-list", changed(schema=[1])
    for name in entry:
        if name != "schema":
            yield f"without-{name}", json.dumps({key: value for key, value in entry.items() if key != name})
            yield f"wrong-{name}", changed(**{name: 7})
            yield f"true-{name}", changed(**{name: True})
    for number, labels in enumerate(
        ("abcd", {"a": 1, "b": 2, "c": 3, "d": 4}, [1, 2, 3, 4], [], [""] * 4, [["a"]] * 4)
    ):
        yield f"labels-{number}", changed(labels=labels)
    yield "labels-half-a-surrogate", changed(labels=["\ud800", "b", "c", "d"])
    yield "labels-million", changed(labels=["x"] * 10**6)
    yield "precision-unknown", changed(precision="int3")
    yield "metrics-infinite", changed(metrics={"top1": 0}).replace('"top1": 0', '"top1": 1e999')
    yield "mean-nan", preprocess(mean=float("nan"))
    for number, wrong in enumerate(({}, [], "x", None, True, [1, 2], [True] * 3, [10**400] * 3, 10**400, ["a"] * 3)):
        yield f"mean-{number}", preprocess(mean=wrong)
    yield "std-0", preprocess(std=0)
    for number, wrong in enumerate((10**9, 10**400, 0, -5, 1.5, "8", [8], [8, 8, 8], [10**9, 8], None, {})):
        yield f"crop-{number}", preprocess(crop=wrong)
    for name in ("resize", "pad"):
        for number, wrong in enumerate((10**9, -1, 1.5, "8", None, [8], True)):
            yield f"{name}-{number}", preprocess(**{name: wrong})
    for number, wrong in enumerate(("xyz", [], 7, "z" * 10**6)):
        yield f"interpolation-{number}", preprocess(interpolation=wrong)
        yield f"color-{number}", preprocess(color=wrong)
    yield "preprocess-unknown", preprocess(**{"\x1b[2Jx": 1})

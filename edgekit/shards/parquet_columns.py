"""Which columns of a Parquet file have the images, labels and keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgekit.errors import DataError, listed, quote, unknown
from edgekit.shards.layout import ShardLayout

_IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "content")
_PATHS = ("path", "file", "image_path", "file_path", "file_name", "filename")
_LABELS = ("label", "cls", "class", "class_index")
_KEYS = ("__key__", "key")
_METADATA_KEY = b"huggingface"
_MAX_METADATA_BYTES = 2**24


class Columns(NamedTuple):
    """The columns that are read.

    Attributes:
        image: name of the column of the images.
        kind: what it contains: "bytes", a "struct" of bytes and path, or "path".
        label: name of the column of the labels, if there is one.
        key: name of the column of the keys, if there is one.
        class_names: of integer labels, from Hugging Face's metadata.
    """

    image: str
    kind: str
    label: str | None
    key: str | None
    class_names: tuple[str, ...] | None


def find_columns(schema: Any, layout: ShardLayout, name: str) -> Columns:
    """Choose the columns to read: those of `layout`, of Hugging Face's metadata, or with the usual names.

    Args:
        schema: pyarrow.Schema of the file.
        layout: what the caller has chosen.
        name: what messages call the file.

    Raises:
        DataError: a column is absent or of another type, or several columns may be meant.
    """
    features = _features(schema, name)
    image = layout.image_column or _only(_image_columns(schema, features), "image_column", "images", schema, name)
    if image is None:
        raise DataError(f"{name}: no column seems to have images; set `image_column` (columns: {_shown(schema.names)})")
    kind = _image_kind(_type(schema, image, "image_column", name))
    if kind is None:
        raise DataError(
            f"{name}: column {quote(image)} must have bytes, a struct of bytes and path, or paths "
            f"(got {quote(str(_type(schema, image, 'image_column', name)))})"
        )
    label = layout.label_column or _only(_label_columns(schema, features), "label_column", "labels", schema, name)
    if label is not None and not _is_label(_type(schema, label, "label_column", name)):
        raise DataError(
            f"{name}: column {quote(label)} must have integers or text as labels "
            f"(got {quote(str(schema.field(label).type))}); several labels per image are read from a CSV table"
        )
    key = layout.key_column or next((column for column in _KEYS if column in schema.names), None)
    if key is not None and not _is_label(_type(schema, key, "key_column", name)):
        raise DataError(f"{name}: column {quote(key)} must have text or integers as keys")
    return Columns(image, kind, label, key, _class_names(features, label, name))


def _features(schema: Any, name: str) -> dict[str, Any]:
    """What Hugging Face's metadata state about the columns; empty without them."""
    data = (schema.metadata or {}).get(_METADATA_KEY, b"{}")
    try:
        if len(data) > _MAX_METADATA_BYTES:
            raise ValueError("too large")
        document = json.loads(data)
        features = document.get("info", {}).get("features", {})
    except (ValueError, RecursionError, AttributeError) as error:
        raise DataError(f"{name}: the metadata of key 'huggingface' cannot be read: {error}") from None
    return {k: v for k, v in features.items() if isinstance(v, dict)} if isinstance(features, dict) else {}


def _image_columns(schema: Any, features: dict[str, Any]) -> list[str]:
    """The columns that may have images; paths only if no column has bytes."""
    declared = [name for name, feature in features.items() if feature.get("_type") == "Image" and name in schema.names]
    if declared:
        return declared
    kinds = {field.name: _image_kind(field.type) for field in schema}
    encoded = [n for n, kind in kinds.items() if kind == "struct" or (kind == "bytes" and n.lower() in _IMAGES)]
    return encoded or [n for n, kind in kinds.items() if kind == "path" and n.lower() in (*_PATHS, "image")]


def _label_columns(schema: Any, features: dict[str, Any]) -> list[str]:
    declared = [n for n, feature in features.items() if feature.get("_type") == "ClassLabel" and n in schema.names]
    return declared or [field.name for field in schema if field.name.lower() in _LABELS and _is_label(field.type)]


def _only(columns: Sequence[str], argument: str, content: str, schema: Any, name: str) -> str | None:
    if len(columns) > 1 or (columns and schema.names.count(columns[0]) > 1):
        raise DataError(f"{name}: the {content} may be in {_shown(columns)}; set `{argument}` to one of them")
    return columns[0] if columns else None


def _type(schema: Any, column: str, argument: str, name: str) -> Any:
    if schema.names.count(column) != 1:
        raise DataError(f"{name}: `{argument}`: {unknown('column', column, schema.names)}")
    return schema.field(column).type


def _image_kind(kind: Any) -> str | None:
    """The kind of images in a column of this Arrow type; None if it cannot have any."""
    from pyarrow import types

    if types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        is_image = {"bytes", "path"} <= set(names) and _is_bytes(kind.field("bytes").type)
        return "struct" if is_image and _is_text(kind.field("path").type) else None
    if _is_bytes(kind):
        return "bytes"
    return "path" if _is_text(kind) else None


def _is_label(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or _is_text(kind))


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _class_names(features: dict[str, Any], label: str | None, name: str) -> tuple[str, ...] | None:
    names = features.get(label or "", {}).get("names")
    if names is None:
        return None
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise DataError(f"{name}: the metadata of key 'huggingface' must name every class (got {quote(names)})")
    return tuple(names)


def _shown(columns: Sequence[str]) -> str:
    return listed(map(quote, columns), most=12)

"""The JSON file beside a model file, for measurements that differ from run to run: timings and dates.

They stay out of the model file, so that the same input gives the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.artifact.info import SCHEMA
from edgekit.artifact.json_document import parse_json_object
from edgekit.artifact.older_schemas import with_schema_2
from edgekit.errors import ArtifactError, SpecError
from edgekit.files import read_regular_file, write_atomically

_MAX_BYTES = 2**24


def sidecar_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of the sidecar of a model file: model.json beside model.onnx."""
    return Path(path).with_suffix(".json")


def require_own_document(path: Path) -> None:
    """Raise SpecError if there is a file that edgekit did not write, such as a list of labels.

    Args:
        path: of a JSON file beside a model, which a command is to write.
    """
    if not path.exists():
        return
    try:
        text = read_regular_file(path, max_bytes=_MAX_BYTES, error=ArtifactError).decode()
        is_own = isinstance(parse_json_object(text, what="the document").get("schema"), int)
    except (UnicodeDecodeError, ArtifactError):
        is_own = False
    if not is_own:
        raise SpecError(f"{path}: was not written by edgekit and would be replaced; move it, or rename the model file")


def write_sidecar(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write the sidecar of a model file.

    Args:
        path: of the model file.
        document: what was measured, as JSON-ready values.
    """
    text = json.dumps({"schema": SCHEMA, **document}, indent=2, sort_keys=True, allow_nan=False)
    write_atomically(sidecar_path(path), f"{text}\n".encode())


def read_sidecar(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the sidecar of a model file.

    Args:
        path: of the model file.

    Returns:
        What was measured, with the keys of the current schema; empty if there is no sidecar.

    Raises:
        ArtifactError: the sidecar is broken.
    """
    sidecar = sidecar_path(path)
    if not sidecar.exists():
        return {}
    data = read_regular_file(sidecar, max_bytes=_MAX_BYTES, error=ArtifactError)
    try:
        return with_schema_2(parse_json_object(data.decode(), what="the document"))
    except (UnicodeDecodeError, ArtifactError) as error:
        raise ArtifactError(f"{sidecar}: {error}") from None

"""The JSON document of one image: a line of `edgekit predict --json`, and the response of a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.errors import ImageError
    from edgekit.runtime.prediction import Prediction

_SCHEMA = 1


def json_record(
    path: str,
    result: Prediction | ImageError,
    *,
    model: str,
    logits: bool = False,
    short_names: bool = False,
    message_of: Callable[[Exception], str] = str,
) -> dict[str, Any]:
    """The content of one line.

    Args:
        path: name of the image, as it was given.
        result: what was predicted, or why nothing was.
        model: its name or path, as it was given.
        logits: whether the classes have logits in place of probabilities.
        short_names: whether labels are shortened, as by `short_label`.
        message_of: the message of an error.

    Returns:
        {"schema": 1, "path": str, "model": str, "top": [...], ...} as from `Prediction.to_dict`, or {"schema": 1,
        "path": str, "error": {"type": str, "message": str}}.
    """
    record: dict[str, Any] = {"schema": _SCHEMA, "path": path}
    if isinstance(result, Exception):
        return record | {"error": {"type": type(result).__name__, "message": message_of(result)}}
    record |= {"model": model, **result.to_dict()}
    for entry in (*record.get("labels", ()), *record["top"]):
        if short_names:
            entry["label"] = short_label(entry["label"])
        if logits:
            del entry["probability"]
            entry["logit"] = float(result.logits[entry["index"]])
    return record


def short_label(label: str) -> str:
    """The part of a label before the comma, such as "tench" of "tench, Tinca tinca"."""
    return label.partition(",")[0].strip() or label

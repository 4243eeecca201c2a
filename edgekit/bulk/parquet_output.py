"""A part as Parquet: a row for each image, statistics of every column, and the job in the metadata of the schema."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from edgekit.errors import is_unicode
from edgekit.optional import require
from edgekit.runtime.prediction import NONE, UNKNOWN
from edgekit.version import __version__

if TYPE_CHECKING:
    import pyarrow

    from edgekit.bulk.hashed_file import HashedFile
    from edgekit.bulk.job import Job

# Objects of Python need 20 times the memory of columns: records are converted when they have this many classes.
_BATCH_SCORES, _BATCH_ROWS = 10_000, 1000
_GROUP_BYTES, _GROUP_ROWS = 2**24, 10_000


class ParquetPart:
    """Writes records to a file as rows. Close it to complete the file.

    Args:
        file: of the part.
        schema: from `parquet_schema`.
    """

    def __init__(self, file: HashedFile, schema: pyarrow.Schema) -> None:
        self._schema = schema
        self._writer = require("pyarrow.parquet", extra="bulk").ParquetWriter(file, schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._scores = 0
        self._batches: list[pyarrow.RecordBatch] = []

    def write(self, record: dict[str, Any]) -> None:
        """Add a record.

        Args:
            record: from `Job.record`, with the path of its shard as "shard" if it comes from one.
        """
        self._rows.append(_row(record))
        self._scores += len(record.get("top", ())) + len(record.get("labels", ()))
        if self._scores >= _BATCH_SCORES or len(self._rows) >= _BATCH_ROWS:
            self._convert()
            rows, size = (sum(getattr(batch, name) for batch in self._batches) for name in ("num_rows", "nbytes"))
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                self._write_group()

    def close(self) -> None:
        """Write what is left, and the footer."""
        self._convert()
        self._write_group()
        self._writer.close()

    def _convert(self) -> None:
        import pyarrow

        if self._rows:
            self._batches.append(pyarrow.RecordBatch.from_pylist(self._rows, schema=self._schema))
        self._rows, self._scores = [], 0

    def _write_group(self) -> None:
        import pyarrow

        if self._batches:
            self._writer.write_table(pyarrow.Table.from_batches(self._batches))
        self._batches = []


def parquet_schema(job: Job, *, is_multi_label: bool) -> pyarrow.Schema:
    """The columns of the parts, and in the metadata the version of edgekit, the models, the options and the sources.

    Args:
        job: the job.
        is_multi_label: whether its models are.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    arrow = require("pyarrow", extra="bulk")
    score = "logit" if job.logits else "probability"
    scores = arrow.list_(arrow.struct([("label", arrow.string()), ("index", arrow.int32()), (score, arrow.float64())]))
    columns = [
        ("path", arrow.string()),
        ("shard", arrow.string()),
        ("label", arrow.string()),
        (score, arrow.float64()),
        ("top", scores),
        *([("labels", scores)] if is_multi_label else []),
        ("error", arrow.string()),
    ]
    metadata = {
        "edgekit.version": __version__,
        "edgekit.model": job.model_name,
        "edgekit.sha256": " + ".join(model.sha256 for model in job.models),
        "edgekit.options": json.dumps(job.options()),
        "edgekit.sources": json.dumps(job.shown_sources),
    }
    return arrow.schema(columns, metadata={key: _unicode(value) for key, value in metadata.items()})


def _row(record: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"path": _unicode(record["path"]), "shard": None}
    if "shard" in record:
        row["shard"] = _unicode(record["shard"])
    if "error" in record:
        return row | {"error": _unicode(record["error"]["message"])}
    best: dict[str, Any] = record["top"][0]
    assigned = record.get("labels", record["top"])
    label = UNKNOWN if record.get("unknown") else assigned[0]["label"] if assigned else NONE
    return row | {name: record[name] for name in ("top", "labels") if name in record} | best | {"label": label}


def _unicode(text: str) -> str:
    r"""The text as Parquet can store it: bytes of a file name that are not UTF-8 become \xff."""
    return text if is_unicode(text) else os.fsencode(text).decode("utf-8", "backslashreplace")

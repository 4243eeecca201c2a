"""`edgekit predict` as typer runs it: --help, mistakes and unusual spellings, which `fast_parser` leaves to typer."""

from __future__ import annotations

from typing import Any

from edgekit.cli.predict.options import Options
from edgekit.cli.typer_options import with_options_of

EXAMPLES = """Examples:
  edgekit predict image.jpg
  edgekit predict photos/ --top 3 --crops 10 --json
  cat image.jpg | edgekit predict -
  edgekit predict photos/ --resume predictions.jsonl
  edgekit predict 'shards/{000..099}.tar' -o predictions.parquet
  edgekit predict photos/ --model a.onnx --model b.onnx --csv
"""


@with_options_of(Options)
def run(**values: Any) -> None:
    """Classify images.

    Exit status 3 if some images could not be read; results for the rest are still printed.
    """
    from edgekit.cli.predict.run import predict

    predict(Options(**values))

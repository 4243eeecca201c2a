"""`edgekit predict` as typer runs it; most command lines go past it, through `fast_parser`."""

from __future__ import annotations

from typing import Any

from edgekit.cli.predict.options import Options
from edgekit.cli.typer_options import with_options_of

EXAMPLES = """Examples:

edgekit predict image.jpg

edgekit predict photos/ --top 3 --crops 10 --json

cat image.jpg | edgekit predict -

edgekit predict photos/ --resume answers.jsonl

edgekit predict photos/ --model one.onnx --model two.onnx --model-weights 2,1 --csv
"""


@with_options_of(Options)
def run(**values: Any) -> None:
    """Say what is on each image. Exits 3 when some of them could not be read; the others are answered."""
    from edgekit.cli.predict.run import predict

    predict(Options(**values))

"""`edgekit predict`: what is on each picture."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Annotated, Any

import typer

from edgekit.cli.predict.options import DEFAULTS, OPTIONS, PICTURES_HELP, Option, Options

EXAMPLES = """Examples:

edgekit predict picture.jpg

edgekit predict photos/ --top 3 --crops 10 --json

cat picture.jpg | edgekit predict -

edgekit predict photos/ --resume answers.jsonl

edgekit predict photos/ --model one.onnx --model two.onnx --weights 2,1 --csv
"""


def run(**values: Any) -> None:
    """Say what is on each picture. Exits 3 when some of them could not be read; the others are answered."""
    from edgekit.cli.predict.run import predict

    predict(options_of(values))


def options_of(values: dict[str, Any]) -> Options:
    """What typer read, with tuples for its lists and for what was not given of them."""
    repeated = {"pictures", *(option.field for option in OPTIONS if option.repeated)}
    given: dict[str, Any] = {name: tuple(v or ()) if name in repeated else v for name, v in values.items()}
    return Options(**given)


def _parameter(option: Option) -> Parameter:
    """The option as typer reads it from a function's signature."""
    default = DEFAULTS[option.field]
    info = typer.Option(option.flag, help=option.help, min=option.least, show_default=option.default or True)
    if option.repeated:
        several = Annotated[list[str] | None, info]
        return Parameter(option.field, Parameter.KEYWORD_ONLY, default=None, annotation=several)
    kind = option.kind if default is not None else option.kind | None
    return Parameter(option.field, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


_PICTURES = typer.Argument(help=PICTURES_HELP, show_default=False)
_PARAMETERS = (
    Parameter("pictures", Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[list[str] | None, _PICTURES]),
    *map(_parameter, OPTIONS),
)
# The table and not a second list of parameters here, so that typer and `lean` cannot come to differ.
run.__signature__ = Signature(_PARAMETERS)  # type: ignore[attr-defined]
run.__annotations__ = {parameter.name: parameter.annotation for parameter in _PARAMETERS}

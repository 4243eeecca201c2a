"""`edgekit models`: the networks that can be built, and the built-in models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from edgekit.cli.options import Argument, Option
from edgekit.cli.render import percent, table, write, write_json

if TYPE_CHECKING:
    from edgekit.zoo.specs import ModelSpec

EXAMPLES = """Examples:

edgekit models

edgekit models mobilenet --json
"""


def run(
    name: Annotated[str, Argument("Only those whose name contains this.", default_text="all")] = "",
    json: Annotated[bool, Option("One JSON document.")] = False,
) -> None:
    """List the zoo's networks and the shipped models."""
    from edgekit.artifact.info import read_info
    from edgekit.hub.shipped import shipped_models
    from edgekit.zoo.specs import SPECS

    specs = [spec for spec in SPECS.values() if name in spec.name]
    shipped = [(model, read_info(path)) for model, path in shipped_models().items() if name in model]
    if json:
        facts = [{"name": model, **info.to_dict()} for model, info in shipped]
        write_json({"schema": 2, "networks": [spec_facts(spec) for spec in specs], "shipped": facts})
        return
    write(table(("network", "parameters (M)", "MACs (M)", "input", "weights", "paper"), map(_row, specs)))
    if shipped:
        rows = [
            (model, info.precision, str(len(info.labels)), percent((info.metrics or {}).get("top1")), info.license)
            for model, info in shipped
        ]
        write("\n" + table(("shipped model", "precision", "classes", "top-1", "license"), rows))


def _row(spec: ModelSpec) -> tuple[str, ...]:
    from edgekit.hub.imagenet_weights import PUBLISHED

    official = PUBLISHED.get(spec.name)
    weights = f"imagenet {official.top1:.1f}%" if official else "-"
    return spec.name, f"{spec.parameters / 1e6:.2f}", f"{spec.macs / 1e6:.1f}", str(spec.input), weights, spec.paper


def spec_facts(spec: ModelSpec) -> dict[str, Any]:
    """A network of the zoo as JSON-ready values."""
    from edgekit.hub.imagenet_weights import PUBLISHED

    official = PUBLISHED.get(spec.name)
    return {
        "name": spec.name,
        "parameters": spec.parameters,
        "macs": spec.macs,
        "input": list(spec.input),
        "preprocess": spec.preprocess.to_dict(),
        "weights": official and {"url": official.url, "top1": official.top1, "top5": official.top5},
        "paper": spec.paper,
        "departures": spec.departures,
    }

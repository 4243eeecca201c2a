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
    name: Annotated[str, Argument("Show only names that contain this text.", default_text="all")] = "",
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """List built-in models, network architectures and pretrained weights."""
    from edgekit.artifact.info import read_info
    from edgekit.hub.built_in import built_in_models
    from edgekit.zoo.specs import SPECS

    specs = [spec for spec in SPECS.values() if name in spec.name]
    built_in = [(model, read_info(path)) for model, path in built_in_models().items() if name in model]
    if json:
        facts = [{"name": model, **info.to_dict()} for model, info in built_in]
        write_json({"schema": 2, "networks": [spec_facts(spec) for spec in specs], "built_in": facts})
        return
    write(table(("network", "parameters (M)", "MACs (M)", "input", "weights", "paper"), map(_network_row, specs)))
    if built_in:
        rows = [
            (model, info.precision, str(len(info.labels)), percent((info.metrics or {}).get("top1")), info.license)
            for model, info in built_in
        ]
        write("\n" + table(("built-in model", "precision", "classes", "top-1", "license"), rows))


def _network_row(spec: ModelSpec) -> tuple[str, ...]:
    from edgekit.hub.imagenet_weights import PUBLISHED

    official = PUBLISHED.get(spec.name)
    weights = f"imagenet {official.top1:.1f}%" if official else "-"
    return spec.name, f"{spec.parameters / 1e6:.2f}", f"{spec.macs / 1e6:.1f}", str(spec.input), weights, spec.paper


def spec_facts(spec: ModelSpec) -> dict[str, Any]:
    """Return what is known of a network as JSON-ready values."""
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

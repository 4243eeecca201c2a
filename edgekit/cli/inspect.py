"""`edgekit inspect`: metadata and layers of a model file or a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from edgekit.cli.layout import paragraph
from edgekit.cli.models import spec_facts
from edgekit.cli.named_models import build_models
from edgekit.cli.options import Argument, Option
from edgekit.cli.render import percent, write, write_json
from edgekit.cli.tables import facts, table
from edgekit.cli.temperature import accuracy_text, epoch_choice_text, temperature_text, thresholds_text
from edgekit.cli.wrong_files import check_model_files
from edgekit.errors import quote

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.cost import LayerCost
    from edgekit.zoo.specs import ModelSpec

EXAMPLES = """Examples:
  edgekit inspect model.onnx
  edgekit inspect third-party.onnx
  edgekit inspect mobilenet_v2-cifar10 --json
  edgekit inspect resnet50 --layers
  edgekit inspect model-int8.onnx --mobile
"""
_LABELS_SHOWN = 10
_NAMES = 12  # columns for the names of facts
_STEPS = ("to_onnx", "adopt", "simplify", "refit", "float32", "quantize", "ort")  # in the order in which they are made


def run(
    model: Annotated[
        str, Argument("Model file (.onnx), or name of a built-in model or of a network from `edgekit models`.")
    ],
    layers: Annotated[bool, Option("Show output shape, parameters and MACs of each layer.")] = False,
    mobile: Annotated[
        bool, Option("Show which operators of a model file mobile accelerators (NNAPI, Core ML) do not support.")
    ] = False,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Show the labels, preprocessing, license and accuracy of a model, or its layers.

    Of an .onnx file from elsewhere, show what it expects, which configuration lies beside it, what is missing, and the
    command that adopts it.
    """
    from edgekit.hub.model_files import model_path
    from edgekit.zoo.specs import SPECS

    is_folder = Path(model).is_dir()
    if not is_folder:
        check_model_files(model)
    build_models(model)
    spec = SPECS.get(model)
    if mobile:
        _write_mobile(model_path(model), json)
    elif layers:
        rows = _network_layers(spec) if spec else _file_layers(model_path(model))
        _write_layers_json(rows) if json else _write_layers(rows)
    elif spec:
        write_json({"schema": 1, **spec_facts(spec)}) if json else write(facts(_spec_lines(spec), width=_NAMES))
    else:
        _write_file(_only_model(Path(model)) if is_folder else model_path(model), json)


def _only_model(folder: Path) -> Path:
    from edgekit.export.config_files import find_model

    return find_model(folder)


def _write_file(path: Path, json: bool) -> None:
    from edgekit.artifact.info import parse_info, read_model

    content = read_model(path)
    if _is_third_party(content):
        from edgekit.cli.inspect_third_party import third_party_facts, third_party_lines

        found = third_party_facts(path, content)
        write_json(found) if json else write(facts(third_party_lines(found), width=_NAMES))
        return
    info = parse_info(content, name=str(path))
    if json:
        write_json(info.to_dict())
        return
    (file, *others) = _file_lines(path, info, size_bytes=len(content))
    write(facts([file, *_required_runtime(path, content), *others], width=_NAMES))


def _required_runtime(path: Path, content: bytes) -> list[tuple[str, str]]:
    from edgekit.artifact.required_runtime import oldest_onnxruntime
    from edgekit.errors import ArtifactError

    try:
        oldest = oldest_onnxruntime(content)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None
    return [("loads in", f"onnxruntime {oldest} or later")] if oldest else []


def _is_third_party(content: bytes) -> bool:
    from edgekit.artifact.metadata import is_ort_format, read_metadata
    from edgekit.errors import ArtifactError

    try:
        return not is_ort_format(content) and "edgekit" not in read_metadata(content)
    except ArtifactError:  # the reason comes from parse_info
        return False


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
    write(table(("provider", "supported nodes", "partitions", "unsupported operators"), cells))
    source = f"according to the operator lists of {provider_source()}; it has none for XNNPACK"
    write(paragraph(f"For batch size 1, {source}."))


def _write_layers(rows: Sequence[LayerCost]) -> None:
    from edgekit.cost import total

    cost = total(rows)
    cells = [(r.name, r.kind, "x".join(map(str, r.output)), f"{r.parameters:,}", f"{r.macs:,}") for r in rows]
    cells.append(("total", "", "", f"{cost.parameters:,}", f"{cost.macs:,}"))
    write(table(("layer", "kind", "output", "parameters", "MACs"), cells))


def _write_layers_json(rows: Sequence[LayerCost]) -> None:
    from edgekit.cost import total

    write_json({"schema": 1, "layers": [asdict(row) for row in rows], "total": asdict(total(rows))})


def _spec_lines(spec: ModelSpec) -> list[tuple[str, str]]:
    preprocess = spec.preprocess
    return [
        ("network", spec.name),
        ("paper", spec.paper),
        ("departures", spec.departures or "none"),
        ("input", preprocess.describe()),
        ("parameters", f"{spec.parameters:,}"),
        ("MACs", f"{spec.macs:,}"),
    ]


def _file_lines(path: Path, info: ArtifactInfo, *, size_bytes: int) -> list[tuple[str, str]]:
    from edgekit.errors import ArtifactError

    try:
        return _info_lines(path, info, size_bytes=size_bytes)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        # Figures are free JSON: an untrusted file may contain anything.
        raise ArtifactError(f"{path}: malformed figures in the metadata: {quote(error)}") from None


def _info_lines(path: Path, info: ArtifactInfo, *, size_bytes: int) -> list[tuple[str, str]]:
    preprocess, labels = info.preprocess, ", ".join(info.labels[:_LABELS_SHOWN])
    arguments = ", ".join(f"{name}={value}" for name, value in info.arguments.items())
    lines = [
        ("file", f"{path} ({size_bytes / 1e6:.2f} MB, {info.precision})"),
        ("network", f"{info.model}({arguments})"),
        ("input", preprocess.describe()),
        ("mean, std", f"{preprocess.mean}, {preprocess.std}"),
        ("labels", f"{len(info.labels)}: {labels}{', ...' if len(info.labels) > _LABELS_SHOWN else ''}"),
        ("license", info.license),
    ]
    if info.warning:
        lines.append(("warning", info.warning))
    lines += _verdict_lines(info.parity.get("quantize"))
    accuracy = accuracy_text(info)
    if accuracy:
        lines.append(accuracy)
    if choice := epoch_choice_text(info):
        lines.append(("epoch", choice))
    for step, figures in sorted(info.parity.items(), key=lambda entry: (*_STEPS, entry[0]).index(entry[0])):
        parity = f"logits within {figures['logit_difference']}, same label on {percent(figures['agreement'])}"
        lines.append((step, f"{parity} of {figures['images']} images{_provenance(figures)}"))
    if info.adaptive_crops:
        lines.append(("crops", "adaptive crops fitted to this model; use edgekit predict --crops adaptive"))
    for name, text in (("temperature", temperature_text(info)), ("thresholds", thresholds_text(info))):
        if text:
            lines.append((name, text))
    if info.calibration:
        lines.append(("calibration", f"{info.calibration['method']} on {info.calibration['images']} images"))
    return lines


def _verdict_lines(evidence: object) -> list[tuple[str, str]]:
    """What the quality gate found; nothing for a file without a verdict."""
    from edgekit.artifact.quality_verdict import interval_text, verdict_text

    if not isinstance(evidence, Mapping) or (verdict := verdict_text(evidence)) is None:
        return []
    lines = [] if "worse" in evidence else [("verdict", verdict)]  # that is the warning
    return [*lines, ("change", interval_text(evidence))]


def _provenance(figures: Mapping[str, Any]) -> str:
    """The simplifier or the quantization scheme of a step, and the target processor."""
    tool, target = figures.get("by") or figures.get("recipe"), figures.get("target")
    return (f"; by {tool}" if tool else "") + (f" for {target}" if target else "")

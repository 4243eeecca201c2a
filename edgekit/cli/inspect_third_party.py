"""What `edgekit inspect` prints of an .onnx file from elsewhere, and the command that adopts it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifact.protobuf import fields
from edgekit.cli.adoption_settings import missing_flags, preprocess_values
from edgekit.cli.flag_names import with_flags
from edgekit.errors import EdgekitError, SpecError, listed

if TYPE_CHECKING:
    from edgekit.export.third_party import ThirdPartyModel
    from edgekit.export.third_party_config import ThirdPartyConfig

# Field numbers of onnx.proto: ModelProto.ir_version, producer_name, producer_version and opset_import, and
# OperatorSetIdProto.domain and version.
_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _OPSETS, _DOMAIN, _VERSION = 1, 2, 3, 8, 1, 2
_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast"})
_ENDINGS = {
    **dict.fromkeys(("Gemm", "MatMul", "Add", "Conv"), ", so probably logits"),
    "Softmax": ", so probabilities",
    "Sigmoid": ", so probabilities of each class on its own",
    "LogSoftmax": ", so logarithms of probabilities, which are logits",
}
_PLACEHOLDERS = {"--labels": "NAMES.txt", "--mean": "R,G,B", "--std": "R,G,B", "--resize": "PIXELS", "--crop": "PIXELS"}


def third_party_facts(path: Path, content: bytes) -> dict[str, Any]:
    """What the file is, which configuration lies beside it, and what is missing, as JSON-ready values.

    Args:
        path: the file.
        content: its bytes.

    Raises:
        ArtifactError: the file is refused, or is not a classifier.
        MissingDependency: the onnx package is not installed.
    """
    from edgekit.export.third_party import read_third_party
    from edgekit.preprocess.spec import Preprocess

    model = read_third_party(path)
    config, problems = _usable_config(path, model)
    values = preprocess_values(model, config, {})
    missing = missing_flags(values, config.labels or ())
    return {
        "schema": 1,
        "path": str(path),
        "bytes": len(content),
        **_format(content),
        "input": {
            "dtype": model.dtype,
            "layout": model.layout,
            "channels": model.channels,
            "size": model.size,
            "batch": model.batch,
        },
        "outputs": _outputs(model),
        "notes": list(model.notes),
        "configuration": list(config.source_lines()),
        "problems": problems,
        "preprocess": Preprocess().with_changes(values).to_dict() if {*missing} <= {"--labels"} else None,
        "labels": config.labels,
        "task": config.task,
        "license": config.license,
        "missing": missing,
        "command": adopt_command(path, missing),
    }


def third_party_lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts as names and texts.

    Args:
        facts: from `third_party_facts`.
    """
    from edgekit.preprocess.spec import Preprocess

    expected, names, preprocess = facts["input"], facts["labels"], facts["preprocess"]
    extents = "x".join(map(str, expected["size"])) if expected["size"] else "of any size"
    shape = f"{expected['channels'] or 'an unknown number of'} channels, batch size {expected['batch'] or 'dynamic'}"
    oldest = facts["oldest_onnx"]
    since = f"which ONNX {oldest} introduced" if oldest else "which the installed onnx package does not know"
    lines = [
        ("file", f"{facts['path']} ({facts['bytes'] / 1e6:.2f} MB, not adopted yet)"),
        (
            "format",
            f"opset {facts['opset']}, IR version {facts['ir_version']}, {since}; by {facts['producer']}",
        ),
        ("input", f"{expected['dtype']} {expected['layout']} {extents}, {shape}"),
        *(("output", f"{output['name']} {output['shape']}, {output['ending']}") for output in facts["outputs"]),
        *(("note", note) for note in facts["notes"]),
        *(("found", line) for line in facts["configuration"]),
        *(("not usable", problem) for problem in facts["problems"]),
    ]
    if preprocess:
        lines.append(("preprocess", Preprocess.from_dict(preprocess).describe()))
    if names:
        lines.append(("labels", f"{len(names)}: {listed(names)}"))
    return [*lines, ("missing", " ".join(facts["missing"]) or "nothing"), ("adopt with", facts["command"])]


def adopt_command(path: Path, missing: Sequence[str]) -> str:
    """The command that adopts the model, with placeholders for what is missing.

    Args:
        path: the model.
        missing: flags without which it cannot be adopted.
    """
    flags = " ".join(f"{flag} {_PLACEHOLDERS[flag]}" for flag in missing)
    target = shlex.quote(f"{path.stem}-edgekit.onnx")
    return " ".join(filter(None, ["edgekit adopt", shlex.quote(str(path)), flags, "-o", target]))


def _usable_config(path: Path, model: ThirdPartyModel) -> tuple[ThirdPartyConfig, list[str]]:
    """The configuration as far as it fits the model, and why the rest does not."""
    from edgekit.export.config_files import find_config
    from edgekit.export.third_party_config import ThirdPartyConfig

    try:
        config = find_config(path)
    except EdgekitError as error:
        return ThirdPartyConfig(), [with_flags(str(error), "adopt")]
    problems, sources = [], dict(config.sources)
    scores = _numbers_of_scores(model)
    if config.labels and scores and not {1, len(config.labels), len(config.labels) + 1} & scores:
        counts = " or ".join(map(str, sorted(scores)))
        problems.append(f"{sources.pop('labels')}: {len(config.labels)} labels for {counts} scores")
        config = replace(config, labels=None, sources=sources)
    try:
        preprocess_values(model, config, {})
    except SpecError as error:
        problems.append(with_flags(str(error), "adopt"))
        kept = {name: source for name, source in sources.items() if name not in {*config.preprocess, "bgr"}}
        config = replace(config, preprocess={}, bgr=None, sources=kept)
    return config, problems


def _numbers_of_scores(model: ThirdPartyModel) -> set[int]:
    """How many scores the possible outputs have; empty if the graph leaves it open."""
    from edgekit.export.input_layout import shape

    shapes = [shape(value)[1:] for value in model.model.graph.output if value.name in model.candidates]
    return (
        set() if any(not extents or None in extents for extents in shapes) else {max(filter(None, s)) for s in shapes}
    )


def _format(content: bytes) -> dict[str, Any]:
    """The versions that the file states, and the oldest release of ONNX that has both."""
    from onnx.helper import VERSION_TABLE

    message = memoryview(content)
    texts, ir_version, opset = {_PRODUCER: "", _PRODUCER_VERSION: ""}, 0, 1
    for part in fields(message):
        payload = message[part.payload : part.end]
        if part.number == _IR_VERSION:
            ir_version = part.value
        elif part.number in texts:
            texts[part.number] = str(payload, "utf-8", "replace")
        elif part.number == _OPSETS:
            values = {field.number: field for field in fields(payload)}
            domain = values.get(_DOMAIN)
            is_default = domain is None or bytes(payload[domain.payload : domain.end]) in (b"", b"ai.onnx")
            opset = values[_VERSION].value if is_default and _VERSION in values else opset
    releases = [row[0] for row in VERSION_TABLE if row[1] >= ir_version and row[2] >= opset]
    return {
        "opset": opset,
        "ir_version": ir_version,
        "oldest_onnx": releases[0] if releases else None,
        "producer": " ".join(filter(None, texts.values())) or "an unknown tool",
    }


def _outputs(model: ThirdPartyModel) -> list[dict[str, str]]:
    """The outputs that may be the scores, and the operators that they end in."""
    from edgekit.export.input_layout import describe
    from edgekit.graph.index import Graph, producer_behind

    graph, outputs = Graph(model.model), []
    for value in graph.proto.output:
        if value.name in model.candidates:
            last = producer_behind(graph, value.name, skipped=_RESHAPING)
            operator = "an input" if last is None else last.op_type
            ending = f"ends in {operator}{_ENDINGS.get(operator, '')}"
            outputs.append({"name": value.name, "shape": describe(value), "ending": ending})
    return outputs

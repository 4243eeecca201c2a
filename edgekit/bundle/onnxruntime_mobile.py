"""Prepares models for phones: the .ort format, the operators of a reduced build, and what accelerators support."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, with_info
from edgekit.artifact.paths import require_new_path
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.evaluate.parity import measure_parity, onnx_logits, require_parity
from edgekit.export.parity_inputs import parity_pixels
from edgekit.files import sha256, write_atomically
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.set_batch import set_batch
from edgekit.runtime.child_process import run_python
from edgekit.runtime.session import first_line

# A .ort file uses different kernels than a .onnx file, which sum in another order and round integers differently.
TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "int8": 5e-2}
_TIME_LIMIT_S = 300
_FATAL_SEVERITY = 4

# onnxruntime's tools configure logging and patch the onnx package globally, so each runs in a child process.
_OPERATORS = """
import sys, pathlib
from onnxruntime.tools.ort_format_model import create_config_from_models
create_config_from_models([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[2]), False)
"""
_PROVIDERS = """
import sys, json, pathlib, onnx
from onnxruntime.tools.onnx_model_utils import optimize_model
from onnxruntime.tools.mobile_helpers import usability_checker as checker
source, target = map(pathlib.Path, sys.argv[1:])
optimize_model(source, target)
model = onnx.shape_inference.infer_shapes(onnx.load(target), strict_mode=True)
lists = {"CoreML, NeuralNetwork": "neuralnetwork", "CoreML, MLProgram": "mlprogram"}
reports = {name: checker.check_coreml_partitions(model, True, f"coreml_supported_{kind}_ops.md")
           for name, kind in lists.items()}
reports = {"NNAPI": checker.check_nnapi_partitions(model, True), **reports}
print(json.dumps([{
    "provider": name,
    "nodes": info.num_nodes,
    "taken": info.num_supported_nodes,
    "partitions": info.num_partitions,
    "refused": sorted(info.unsupported_ops),
    "conditions": info.supported_ops_checker.get_caveats(),
} for name, info in reports.items()]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReport:
    """Which part of a model an execution provider would run, judged by the operators alone.

    Attributes:
        provider: the execution provider.
        nodes: number of nodes of the graph.
        taken: number of nodes whose operator the provider supports.
        partitions: number of connected subgraphs that those nodes form; each costs a copy to the accelerator and back.
        refused: operators that the provider does not support.
        conditions: conditions under which it supports the other operators; they were not checked.
    """

    provider: str
    nodes: int
    taken: int
    partitions: int
    refused: tuple[str, ...]
    conditions: tuple[str, ...]


def provider_reports(model: bytes, *, name: str) -> tuple[ProviderReport, ...]:
    """Check which part of a model the accelerators of phones support, for a batch size of 1.

    NNAPI supports fixed shapes only, hence the batch size.

    Args:
        model: bytes of an ONNX file that the guard has validated, edgekit model or not.
        name: name of the file, for messages.

    Returns:
        One report for each provider that the installed onnxruntime has a list of operators for: NNAPI, and CoreML with
        NeuralNetwork and MLProgram. It has none for XNNPACK.

    Raises:
        ArtifactError: the batch size of the model cannot be set to 1.
        EdgekitError: onnxruntime's tools failed.

    Example:
        >>> from pathlib import Path
        >>> from edgekit.bundle.onnxruntime_mobile import provider_reports
        >>> reports = provider_reports(Path("model.onnx").read_bytes(), name="model.onnx")  # doctest: +SKIP
        >>> [(report.provider, report.partitions) for report in reports]  # doctest: +SKIP
        [('NNAPI', 1), ('CoreML, NeuralNetwork', 1), ('CoreML, MLProgram', 1)]
    """
    try:
        single = serialized(set_batch(onnx.load_from_string(model), batch=1))
    except Exception as error:  # protobuf's and onnx's own classes, and shapes without axes
        raise ArtifactError(f"{name}: cannot set its batch size to 1: {first_line(error)}") from None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.onnx"), Path(folder, "optimized.onnx")
        source.write_bytes(single)
        rows: list[dict[str, Any]] = json.loads(_run_tool(_PROVIDERS, source, target, name=name))
    lists = ("refused", "conditions")
    return tuple(ProviderReport(**row | {key: tuple(row[key]) for key in lists}) for row in rows)


def provider_source() -> str:
    """The source of the operator lists: the version of onnxruntime and its module."""
    return f"onnxruntime {version('onnxruntime')}, tools/mobile_helpers"


def write_ort(source: str | os.PathLike[str], path: str | os.PathLike[str], *, images: ImageSet | None = None) -> Path:
    """Convert an edgekit model to onnxruntime's .ort format, and list the operators that a reduced build needs.

    The graph is optimized for processors in general: without the memory layout that only this machine's processor
    prefers, and keeping signed 8-bit activations, which Arm runs best. The bytes differ from run to run, because
    onnxruntime writes one of its tables in no fixed order.

    Args:
        source: edgekit model (.onnx).
        path: .ort file to write.
        images: images to compare the logits on (default: synthetic images).

    Returns:
        The path of the list of operators: NAME.required_operators.config beside NAME.ort, for onnxruntime's build
        option --include_ops_by_config.

    Raises:
        ArtifactError: `source` is not an edgekit model, or is refused.
        ParityError: the logits of the two files differ; nothing is written.
        EdgekitError: onnxruntime cannot convert the model.

    Example:
        >>> from edgekit.bundle.onnxruntime_mobile import write_ort
        >>> write_ort("model.onnx", "model.ort").name  # doctest: +SKIP
        'model.required_operators.config'
    """
    model, path = read_model(source), Path(path)
    require_new_path(source, path)
    name = os.fspath(source)
    info = parse_info(model, name=name)
    check_model(model, name=name)
    pixels, origin = parity_pixels(info.preprocess, images)
    converted = _convert(model, name)
    before = onnx_logits(model, name=name, target=info.target)
    after = onnx_logits(converted, name=str(path), ort_format=True)
    parity = measure_parity(before, after, pixels, scoring=info.scoring)
    require_parity(parity, step="converting to .ort", tolerance=TOLERANCE[info.precision])
    measured = {"ort": parity.to_dict() | {"on": origin}}
    info = dataclasses.replace(info, parity={**info.parity, **measured}, parent_sha256=sha256(model))
    config_path = path.with_suffix(".required_operators.config")
    converted = _convert(with_info(model, info), name)  # the metadata of an .ort file cannot be changed
    config = _required_operators_config(converted, info, path.name)
    write_atomically(path, converted)
    write_atomically(config_path, config.encode())
    return config_path


def _convert(model: bytes, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "model.ort")
        options = ort.SessionOptions()
        options.log_severity_level = _FATAL_SEVERITY
        options.optimized_model_filepath = str(target)
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        try:
            ort.InferenceSession(
                model, options, providers=["CPUExecutionProvider"], disabled_optimizers=["NchwcTransformer"]
            )
        except Exception as error:  # onnxruntime's exception classes are not public
            raise EdgekitError(f"{name}: onnxruntime cannot convert it to .ort: {first_line(error)}") from None
        return target.read_bytes()


def _required_operators_config(model: bytes, info: ArtifactInfo, name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.ort"), Path(folder, "operators.config")
        source.write_bytes(model)
        _run_tool(_OPERATORS, source, target, name=name)
        lines = target.read_text(encoding="utf-8").splitlines()
    # The comments that the tool writes name the temporary folder.
    operators = [line for line in lines if not line.startswith("#")]
    return "\n".join((f"# Operators of {name} ({info.model}, {info.precision})", *operators, ""))


def _run_tool(program: str, source: Path, target: Path, *, name: str) -> str:
    try:
        return run_python("-c", program, source, target, timeout_s=_TIME_LIMIT_S)
    except EdgekitError as error:
        raise EdgekitError(f"{name}: onnxruntime's tools failed: {error}") from None

"""For phones: onnxruntime's own format, the operators that a reduced build needs, and what accelerators support."""

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

# Other kernels than for .onnx, so other sums; of integers, other roundings.
TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "int8": 5e-2}
_TIME_LIMIT_S = 300
_FATAL_SEVERITY = 4

# onnxruntime's tools set up logging and change the onnx package for the whole process: each runs in one of its own.
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
    """What an execution provider would run of a model, by the operators alone.

    nodes: of the graph; taken: those whose operator the provider has; partitions: connected pieces that they form, each
    of which costs a copy there and back. refused: operators that it does not have. conditions: of the other operators;
    they were not checked.
    """

    provider: str
    nodes: int
    taken: int
    partitions: int
    refused: tuple[str, ...]
    conditions: tuple[str, ...]


def provider_reports(model: bytes, *, name: str) -> tuple[ProviderReport, ...]:
    """One report for each provider that the installed onnxruntime has a list of operators for: NNAPI and CoreML's two.

    model: the bytes of a file called `name`, artifact or not, that the guard has validated; for one image at a
    time, because NNAPI supports only fixed shapes. XNNPACK has no such list. Raises ArtifactError for a model whose
    batch cannot be set.
    """
    try:
        single = serialized(set_batch(onnx.load_from_string(model), batch=1))
    except Exception as error:  # protobuf's and onnx's own classes, and shapes without axes
        raise ArtifactError(f"{name}: its batch cannot be set: {first_line(error)}") from None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.onnx"), Path(folder, "optimized.onnx")
        source.write_bytes(single)
        rows: list[dict[str, Any]] = json.loads(_run_tool(_PROVIDERS, source, target, name=name))
    lists = ("refused", "conditions")
    return tuple(ProviderReport(**row | {key: tuple(row[key]) for key in lists}) for row in rows)


def provider_source() -> str:
    """Where the lists of operators are from."""
    return f"onnxruntime {version('onnxruntime')}, tools/mobile_helpers"


def write_ort(source: str | os.PathLike[str], path: str | os.PathLike[str], *, images: ImageSet | None = None) -> Path:
    """Write the artifact in onnxruntime's own format, and beside it the operators that a reduced build needs.

    Returns the path of the latter, NAME.required_operators.config for NAME.ort, for onnxruntime's build option
    --include_ops_by_config. The graph is optimized as for every processor: without the layout that only this machine's
    prefers, and with signed 8-bit activations left as they are, which Arm runs best. onnxruntime writes one of its
    tables in no fixed order, so the bytes differ from run to run. Raises ParityError if its logits differ from its
    source's; then nothing is written.
    """
    model, path = read_model(source), Path(path)
    require_new_path(source, path)
    name = os.fspath(source)
    info = parse_info(model, name=name)
    check_model(model, name=name)
    pixels, origin = parity_pixels(info.preprocess, images)
    converted = _convert(model, name)
    before, after = onnx_logits(model, name=name), onnx_logits(converted, name=str(path), ort_format=True)
    parity = measure_parity(before, after, pixels)
    require_parity(parity, step="converting to .ort", tolerance=TOLERANCE[info.precision])
    measured = {"ort": parity.to_dict() | {"on": origin}}
    info = dataclasses.replace(info, parity={**info.parity, **measured}, parent_sha256=sha256(model))
    config_path = path.with_suffix(".required_operators.config")
    converted = _convert(with_info(model, info), name)  # its metadata cannot be changed afterwards
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
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise EdgekitError(f"{name}: onnxruntime cannot convert it to .ort: {first_line(error)}") from None
        return target.read_bytes()


def _required_operators_config(model: bytes, info: ArtifactInfo, name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.ort"), Path(folder, "operators.config")
        source.write_bytes(model)
        _run_tool(_OPERATORS, source, target, name=name)
        lines = target.read_text(encoding="utf-8").splitlines()
    # The tool's own first lines name the temporary folder.
    required = [line for line in lines if not line.startswith("#")]
    return "\n".join((f"# Operators of {name} ({info.model}, {info.precision})", *required, ""))


def _run_tool(program: str, source: Path, target: Path, *, name: str) -> str:
    try:
        return run_python("-c", program, source, target, timeout_s=_TIME_LIMIT_S)
    except EdgekitError as error:
        raise EdgekitError(f"{name}: onnxruntime's tools failed: {error}") from None

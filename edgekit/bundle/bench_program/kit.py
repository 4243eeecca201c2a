"""The models of a kit, and whether they compute here what they should."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from . import facts

Images = npt.NDArray[np.uint8]

# Targets with signed activations, and those whose weights are not scaled for processors that add pairs in 16 bits: x86
# without one of these instructions.
_SIGNED, _UNSCALED = ("arm64",), ("x86-vnni", "web")
_VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


class KitError(Exception):
    """A file of the kit is missing or broken."""


@dataclass(frozen=True)
class Model:
    """A model of the kit.

    Attributes:
        path: the model file.
        description: content of NAME.json.
        golden: content of NAME.golden.json.
        pixels: uint8 (vectors, height, width, channels), the golden inputs.
    """

    path: Path
    description: dict[str, Any]
    golden: dict[str, Any]
    pixels: Images

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.description["name"])

    @property
    def session_arguments(self) -> tuple[str, str]:
        """The arguments of `open_session`, as text for a child process: path, target."""
        return str(self.path), self.description["target"] or ""

    def facts(self) -> dict[str, Any]:
        """What the document of the device repeats of the description."""
        return {key: self.description[key] for key in ("name", "file", "sha256", "bytes", "precision", "target")}

    def feed(self) -> dict[str, Images]:
        """The first golden input, for timing."""
        return {self.description["input"]["name"]: self.pixels[:1]}


def read_kit(folder: Path) -> tuple[str, list[Model]]:
    """The version of edgekit that wrote the kit in `folder`, and its models. Raises KitError."""
    bundle = _read_json(folder / "bundle.json")
    return bundle["edgekit"], [_read_model(folder, entry) for entry in bundle["models"]]


def _read_model(folder: Path, entry: dict[str, str]) -> Model:
    description, golden = (_read_json(folder / entry[part]) for part in ("description", "golden"))
    path, pixels = folder / description["file"], folder / golden["input"]["file"]
    for file, digest in ((path, description["sha256"]), (pixels, golden["input"]["sha256"])):
        if sha256(_read(file)).hexdigest() != digest:
            raise KitError(f"{file}: the file is not the one that the kit was made with; copy the kit again")
    shaped = np.fromfile(pixels, np.uint8).reshape(golden["input"]["shape"])
    return Model(path=path, description=description, golden=golden, pixels=shaped)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(_read(path))
    except ValueError:
        raise KitError(f"{path}: the file is broken; copy the kit again") from None
    return document


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KitError(f"{path}: cannot be read ({error.strerror}); copy the kit again") from None


def open_session(path: str, target: str, *, threads: int) -> ort.InferenceSession:
    """Open a session as edgekit does, whose figures these stand for.

    Args:
        path: the model file.
        target: what it was quantized for; empty if it was not.
        threads: intra-op threads.

    Raises:
        KitError: this version of onnxruntime cannot load it.
    """
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    # Threads that spin after a run would take the cores from the model that is timed next.
    settings.add_session_config_entry("session.intra_op.spin_duration_us", "20")
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    for key, value in target_settings(target, facts.features() or ()).items():
        settings.add_session_config_entry(key, value)
    try:
        return ort.InferenceSession(
            path, settings, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
        )
    except Exception as error:  # onnxruntime's own exception classes are not public
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise KitError(f"{path}: onnxruntime {ort.__version__} cannot load it: {reason}") from None


def target_settings(target: str, features: Collection[str]) -> dict[str, str]:
    """The settings with which a processor computes as the target does, as in edgekit's `session_settings`.

    Args:
        target: what the model was quantized for; empty if it was not.
        features: names of the processor's instructions.
    """
    if target in _SIGNED:
        return {"session.qdqisint8allowed": "1"}
    saturates = "avx2" in features and not _VNNI.intersection(features)
    return {"session.x64quantprecision": "1"} if target in _UNSCALED and saturates else {}


def check_golden(model: Model) -> dict[str, Any]:
    """Compare the logits of the golden inputs with the golden ones, one image at a time."""
    session = open_session(*model.session_arguments, threads=1)
    input_name, output = model.golden["input"]["name"], model.golden["output"]["name"]
    logits = np.concatenate([session.run([output], {input_name: image[None]})[0] for image in model.pixels])
    expected = np.array([vector["logits"] for vector in model.golden["vectors"]], np.float32)
    # A NaN is as wrong as a number can be, and JSON has none.
    largest = float(np.nan_to_num(np.abs(logits - expected), nan=float(np.finfo(np.float32).max)).max())
    tolerance = model.golden["tolerance"]["same_kernels"]
    return {
        "vectors": len(expected),
        "same_labels": int((logits.argmax(1) == expected.argmax(1)).sum()),
        "largest_difference": largest,
        "tolerance": tolerance,
        "passed": largest <= tolerance,
    }

"""The oldest onnxruntime that loads a file, from the versions that the file states."""

from __future__ import annotations

from edgekit.artifact.protobuf import VARINT, fields
from edgekit.errors import ArtifactError

# Field numbers of onnx.proto: ModelProto.ir_version and opset_import, and domain and version of OperatorSetIdProto.
_IR_VERSION, _OPSET_IMPORT, _DOMAIN, _VERSION = 1, 8, 1, 2
_STANDARD_DOMAINS = (b"", b"ai.onnx")
# Up to which version which onnxruntime is the oldest: tried with a file of one Relu in 1.15.1 to 1.24.1, no older ones.
_OPSETS = ((19, (1, 15)), (20, (1, 17)), (21, (1, 18)), (22, (1, 21)), (23, (1, 23)), (25, (1, 24)))
_IR_VERSIONS = ((9, (1, 15)), (10, (1, 18)), (11, (1, 23)), (13, (1, 24)))


def oldest_onnxruntime(model: bytes) -> str | None:
    """Return the oldest version of onnxruntime, such as "1.15", that loads a file; None if it is newer than all known.

    Only the versions count that the file states; whether that onnxruntime has every operator is not checked.

    Args:
        model: content of an ONNX file.

    Raises:
        ArtifactError: not an ONNX file.
    """
    ir_version, opset = _versions(memoryview(model))
    oldest = [
        next((runtime for newest, runtime in table if version <= newest), None)
        for version, table in ((ir_version, _IR_VERSIONS), (opset, _OPSETS))
    ]
    known = [runtime for runtime in oldest if runtime is not None]
    return ".".join(map(str, max(known))) if len(known) == len(oldest) else None


def _versions(message: memoryview) -> tuple[int, int]:
    """The IR version and the opset of the standard operators, 0 if the file does not state it."""
    ir_version = opset = 0
    for part in fields(message):
        if part.number == _IR_VERSION and part.wire_type == VARINT:
            ir_version = part.value
        elif part.number == _OPSET_IMPORT:
            domain, version = _operator_set(message[part.payload : part.end])
            opset = max(opset, version) if domain in _STANDARD_DOMAINS else opset
    if not ir_version:
        raise ArtifactError("not an ONNX file: it states no IR version")
    return ir_version, opset


def _operator_set(message: memoryview) -> tuple[bytes, int]:
    domain, version = b"", 0
    for part in fields(message):
        if part.number == _DOMAIN:
            domain = bytes(message[part.payload : part.end])
        elif part.number == _VERSION and part.wire_type == VARINT:
            version = part.value
    return domain, version

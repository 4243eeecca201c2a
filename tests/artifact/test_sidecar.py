"""The JSON file beside a model file."""

import pytest

from edgekit.artifact.sidecar import read_sidecar, require_own_document, sidecar_path, write_sidecar
from edgekit.errors import ArtifactError, SpecError


def test_read_sidecar_returns_what_was_written_and_names_a_broken_file(tmp_path):
    model = tmp_path / "model.onnx"
    assert read_sidecar(model) == {}
    write_sidecar(model, {"latency_ms": 1.5})
    assert read_sidecar(model)["latency_ms"] == 1.5
    for broken in (b"{", b"[]", b"\xff", b"[" * 100_000):
        sidecar_path(model).write_bytes(broken)
        with pytest.raises(ArtifactError, match=r"model\.json"):
            read_sidecar(model)


def test_require_own_document_refuses_what_edgekit_did_not_write(tmp_path):
    path = tmp_path / "model.json"
    require_own_document(path)
    write_sidecar(tmp_path / "model.onnx", {"latency_ms": 1.5})
    require_own_document(path)
    for foreign in (b'["cat", "dog"]', b'{"0": "cat"}', b"cat"):
        path.write_bytes(foreign)
        with pytest.raises(SpecError, match=r"model\.json: was not written by edgekit and would be replaced"):
            require_own_document(path)

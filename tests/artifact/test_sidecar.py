"""The JSON file beside a model file."""

import pytest

from edgekit.artifact.sidecar import read_sidecar, sidecar_path, write_sidecar
from edgekit.errors import ArtifactError


def test_read_sidecar_returns_what_was_written_and_names_a_broken_file(tmp_path):
    model = tmp_path / "model.onnx"
    assert read_sidecar(model) == {}
    write_sidecar(model, {"latency_ms": 1.5})
    assert read_sidecar(model)["latency_ms"] == 1.5
    for broken in (b"{", b"[]", b"\xff", b"[" * 100_000):
        sidecar_path(model).write_bytes(broken)
        with pytest.raises(ArtifactError, match=r"model\.json"):
            read_sidecar(model)

"""Weights files that are refused: corrupt, foreign and malicious ones."""

import os
import pickle
import random
import warnings
import zipfile

import pytest
import torch
from made_weights import refusal, write_old_pth, write_pth, write_safetensors

from edgekit.errors import WeightsError
from edgekit.zoo.weights import read_tensors


def test_read_tensors_keeps_a_prefix_that_only_some_names_have(tmp_path):
    torch.save({"module.a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "w.pth")
    assert read_tensors(tmp_path / "w.pth").keys() == {"module.a", "b"}


class MaliciousPickle:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "form", ["torch.save", "torch.save, old", "pickle", "pickle protocol 5", "hidden beside a state dict"]
)
def test_load_weights_runs_no_code_from_a_malicious_pickle(network, state, tmp_path, form):
    path, created = tmp_path / "w.pth", tmp_path / "created"
    content = (
        {"state_dict": state, "args": MaliciousPickle(created)}
        if form.startswith("hidden")
        else {"w": MaliciousPickle(created)}
    )
    if form.startswith("pickle"):
        path.write_bytes(pickle.dumps(content, protocol=5 if form.endswith("5") else 2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=not form.endswith("old"))
    assert f"refused: contains '{os.mkdir.__module__}.mkdir'; only dense tensors are read" in refusal(network, path)
    assert not created.exists()
    torch.load(path, weights_only=False) if form.startswith("torch") else pickle.loads(pickle.dumps(content))
    assert created.exists()  # loaded without protection, it runs


def test_load_weights_raises_for_a_torchscript_archive(network, tmp_path):
    """TorchScript runs code as well. The archive is made by hand, because torch.jit is deprecated."""
    torch.save({"w": torch.zeros(1)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth", "a") as archive:
        archive.writestr("w/constants.pkl", b"\x80\x02).")
    assert "not a readable" in refusal(network, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<html>404</html>", "it starts with b'<html>40'"),
        (random.Random(1).randbytes(5000), "it starts with"),
        (b"PK\x03\x04" + bytes(100), "not a zip file"),
        (b"\x80\x02" + bytes(100), ""),
        (b"\x80", ""),
    ],
)
def test_load_weights_raises_for_a_corrupt_pth_file(network, tmp_path, content, reason):
    (tmp_path / "w.pth").write_bytes(content)
    assert reason in refusal(network, tmp_path / "w.pth")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        (2**40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        b"\x80\x02}.",
        bytes(100),
    ],
)
def test_load_weights_raises_for_a_corrupt_safetensors_file(network, tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    refusal(network, tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "header",
    [
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 80000]}}',
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}',
        '{"a": {"dtype": "F32", "shape": [200000000000], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32"',
    ],
)
def test_load_weights_raises_for_an_inconsistent_safetensors_header(network, tmp_path, header):
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(8))
    assert "not a readable .safetensors or .pth file" in refusal(network, tmp_path / "w.safetensors")


@pytest.mark.parametrize("write", [write_pth, write_old_pth, write_safetensors])
def test_load_weights_raises_for_a_truncated_file(network, state, tmp_path, write):
    path = tmp_path / ("w.safetensors" if write is write_safetensors else "w.pth")
    write(state, path)
    data = path.read_bytes()
    for size in [1, 5, 9, 64, 500, len(data) // 2, len(data) - 5000, len(data) - 30, len(data) - 1]:
        path.write_bytes(data[:size])
        refusal(network, path)


@pytest.mark.parametrize("write", [write_pth, write_old_pth, write_safetensors])
def test_read_tensors_raises_only_weights_errors_for_flipped_bytes(state, tmp_path, write):
    """A flipped weight cannot be detected, but there is no other error and no warning."""
    path = tmp_path / ("w.safetensors" if write is write_safetensors else "w.pth")
    write({"a.weight": torch.ones(2, 3), "b": torch.ones(1)}, path)
    data, rng, errors = path.read_bytes(), random.Random(4), 0
    for _ in range(150):
        corrupt = bytearray(data)
        for _ in range(rng.choice((1, 1, 3))):
            corrupt[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(corrupt)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read_tensors(path)
            except WeightsError:
                errors += 1
    assert errors > 10


def test_load_weights_raises_for_a_decompression_bomb(network, tmp_path):
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "uncompressed.pth")
    with (
        zipfile.ZipFile(tmp_path / "uncompressed.pth") as uncompressed,
        zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in uncompressed.infolist():
            bomb.writestr(entry.filename, uncompressed.read(entry.filename))
    assert (tmp_path / "w.pth").stat().st_size < 10_000
    assert torch.load(tmp_path / "w.pth", weights_only=True)["a"].shape == (1_000_000,)  # torch reads it
    assert "is compressed, as torch never writes it" in refusal(network, tmp_path / "w.pth")


def test_load_weights_raises_for_a_missing_file_and_a_folder(network, tmp_path):
    assert "no such file" in refusal(network, tmp_path / "w.pth")
    assert "is a folder" in refusal(network, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_load_weights_raises_for_a_file_without_read_permission(network, tmp_path):
    (tmp_path / "w.pth").touch(0o000)
    assert "Permission denied" in refusal(network, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "must contain a state dict of tensors (got an empty dict)"),
        ({"state_dict": {}}, "got an empty dict"),
        ([torch.zeros(1)], "got list"),
        (torch.zeros(1), "got a tensor"),
        ({"epoch": 3, "a": torch.zeros(1)}, "must contain a state dict of dense tensors; other entries: 'epoch'"),
        ({0: torch.zeros(1)}, "other entries: 0"),
        ({"a": {"b": torch.zeros(1)}, "c": {"d": 1}}, "other entries: 'a', 'c'"),
        ({"s": torch.eye(2).to_sparse()}, "contains 'torch._utils._rebuild_sparse_tensor'; only dense"),
        ({"m": torch.zeros(1, device="meta")}, "contains 'torch._utils._rebuild_meta_tensor_no_storage'; only dense"),
    ],
)
def test_load_weights_raises_for_anything_but_a_state_dict(network, tmp_path, content, message):
    torch.save(content, tmp_path / "w.pth")
    assert message in refusal(network, tmp_path / "w.pth")

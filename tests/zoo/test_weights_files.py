"""Files that are not weights: broken, foreign and malicious ones."""

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


def test_prefix_of_some_names_is_no_wrapper(tmp_path):
    torch.save({"module.a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "w.pth")
    assert read_tensors(tmp_path / "w.pth").keys() == {"module.a", "b"}


class MaliciousPickle:
    """What it stands for runs when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "how", ["torch.save", "torch.save of old", "pickle", "pickle protocol 5", "hidden beside a state dict"]
)
def test_malicious_pickle_runs_nothing(network, state, tmp_path, how):
    path, struck = tmp_path / "w.pth", tmp_path / "struck"
    content = (
        {"state_dict": state, "args": MaliciousPickle(struck)}
        if how.startswith("hidden")
        else {"w": MaliciousPickle(struck)}
    )
    if how.startswith("pickle"):
        path.write_bytes(pickle.dumps(content, protocol=5 if how.endswith("5") else 2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=not how.endswith("old"))
    assert "refused: it holds more than tensors" in refusal(network, path)
    assert not struck.exists()
    torch.load(path, weights_only=False) if how.startswith("torch") else pickle.loads(pickle.dumps(content))
    assert struck.exists()  # it would have


def test_script_archive_is_refused(network, tmp_path):
    """TorchScript runs code as well; made by hand, because torch.jit is deprecated."""
    torch.save({"w": torch.zeros(1)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth", "a") as archive:
        archive.writestr("w/constants.pkl", b"\x80\x02).")
    assert "not a readable" in refusal(network, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<html>404</html>", "it begins with b'<html>40'"),
        (random.Random(1).randbytes(5000), "it begins with"),
        (b"PK\x03\x04" + bytes(100), "PytorchStreamReader"),
        (b"\x80\x02" + bytes(100), ""),
        (b"\x80", ""),
    ],
)
def test_garbage(network, tmp_path, content, reason):
    (tmp_path / "w.pth").write_bytes(content)
    message = refusal(network, tmp_path / "w.pth")
    assert reason in message
    assert "weights_only" not in message  # torch advises to switch the restriction off


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
def test_garbage_safetensors(network, tmp_path, content):
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
def test_safetensors_with_a_lying_header(network, tmp_path, header):
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(8))
    assert "not a readable .safetensors or .pth file" in refusal(network, tmp_path / "w.safetensors")


@pytest.mark.parametrize("write", [write_pth, write_old_pth, write_safetensors])
def test_truncated(network, state, tmp_path, write):
    path = tmp_path / ("w.safetensors" if write is write_safetensors else "w.pth")
    write(state, path)
    whole = path.read_bytes()
    for kept in [1, 5, 9, 64, 500, len(whole) // 2, len(whole) - 5000, len(whole) - 30, len(whole) - 1]:
        path.write_bytes(whole[:kept])
        refusal(network, path)


@pytest.mark.parametrize("write", [write_pth, write_old_pth, write_safetensors])
def test_flipped_bytes_raise_nothing_else(state, tmp_path, write):
    """A flipped weight cannot be noticed, but nothing other than WeightsError comes out, and no warning."""
    path = tmp_path / ("w.safetensors" if write is write_safetensors else "w.pth")
    write({"a.weight": torch.ones(2, 3), "b": torch.ones(1)}, path)
    whole, chance, errors = path.read_bytes(), random.Random(4), 0
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3))):
            broken[chance.randrange(len(whole))] = chance.randrange(256)
        path.write_bytes(broken)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read_tensors(path)
            except WeightsError:
                errors += 1
    assert errors > 10


def test_archive_that_unpacks_to_more_than_it_is(network, tmp_path):
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in plain.infolist():
            bomb.writestr(entry.filename, plain.read(entry.filename))
    assert (tmp_path / "w.pth").stat().st_size < 10_000
    assert torch.load(tmp_path / "w.pth", weights_only=True)["a"].shape == (1_000_000,)  # torch does not mind
    assert "it unpacks to more than its own size" in refusal(network, tmp_path / "w.pth")


def test_no_file(network, tmp_path):
    assert "no such file" in refusal(network, tmp_path / "w.pth")
    assert "a folder, not a file" in refusal(network, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(network, tmp_path):
    (tmp_path / "w.pth").touch(0o000)
    assert "Permission denied" in refusal(network, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no tensors"),
        ({"state_dict": {}}, "holds no tensors"),
        ([torch.zeros(1)], "holds list, not a state dict"),
        (torch.zeros(1), "holds Tensor, not a state dict"),
        ({"epoch": 3, "a": torch.zeros(1)}, "no plain tensors are 'epoch'"),
        ({0: torch.zeros(1)}, "no plain tensors are 0"),
        ({"a": {"b": torch.zeros(1)}}, "no plain tensors are 'a'"),
        ({"s": torch.eye(2).to_sparse()}, "no plain tensors are 's'"),
        ({"m": torch.zeros(1, device="meta")}, "no plain tensors are 'm'"),
    ],
)
def test_no_state_dict(network, tmp_path, content, message):
    torch.save(content, tmp_path / "w.pth")
    assert message in refusal(network, tmp_path / "w.pth")

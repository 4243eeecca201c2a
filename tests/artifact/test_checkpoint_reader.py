"""The numpy reader of weights files, compared with torch and safetensors, and on hostile files."""

import io
import os
import pickle
import struct
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_checkpoints import HOSTILE_PICKLES, in_zip
from safetensors.torch import save_file

from edgekit.artifact.checkpoint_reader import parse_checkpoint, read_checkpoint
from edgekit.errors import WeightsError

DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()  # noqa: SIM905
FORMS = ["zip", "older", "safetensors"]


def saved(content, form: str) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    return file.getvalue()


def write(content, path, form: str):
    path = path / ("w.safetensors" if form == "safetensors" else "w.pth")
    save_file(content, path) if form == "safetensors" else path.write_bytes(saved(content, form))
    return path


def check_equal(arrays, tensors):
    assert list(arrays) == list(tensors)
    for name, tensor in tensors.items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
        assert arrays[name].shape == expected.shape
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected, err_msg=name)


def refusal(data: bytes, name: str = "w.pth") -> str:
    with pytest.raises(WeightsError) as caught:
        parse_checkpoint(data, name=name)
    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).isprintable()
    return str(caught.value)


# -- what torch and safetensors write ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_read_checkpoint_reads_every_dtype_as_its_writer(tmp_path, form, dtype):
    numbers = torch.arange(-3, 9).reshape(3, 4).to(getattr(torch, dtype))
    tensors = {"a.weight": numbers, "count": numbers[1, 1].clone(), "empty": numbers[:0].clone()}
    arrays = read_checkpoint(write(tensors, tmp_path, form))
    check_equal({name: arrays[name] for name in tensors}, tensors)


@pytest.mark.parametrize("form", ["zip", "older"])
def test_read_checkpoint_reads_views_parameters_and_shared_storages(tmp_path, form):
    base = torch.arange(60.0).reshape(3, 4, 5)
    tensors = {
        "transposed": base.permute(2, 0, 1),
        "slice": base[1:, ::2, 3],
        "scalar": base[2, 3, 4],
        "parameter": torch.nn.Parameter(base.flip(0)),
        "channels_last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "base": base,
    }
    check_equal(read_checkpoint(write(tensors, tmp_path, form)), tensors)


@pytest.mark.parametrize("form", ["zip", "older"])
def test_read_checkpoint_reads_the_state_dict_of_a_module(tmp_path, form):
    """A state dict is an OrderedDict with attributes; its optimizer state beside it is not read."""
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    state = module.state_dict()
    check_equal(read_checkpoint(write(state, tmp_path, form)), state)
    whole = {"epoch": 3, "best": 0.5, "optimizer": optimizer.state_dict(), "state_dict": state, "args": {"lr": [0.1]}}
    check_equal(read_checkpoint(write(whole, tmp_path, form)), state)
    for prefix in ("module.", "_orig_mod.module.", "model._orig_mod.", "module.model.net."):
        wrapped = {f"{prefix}{name}": tensor for name, tensor in state.items()}
        for checkpoint in ({"model": wrapped}, {"net": wrapped}, {"a": {"model_state_dict": wrapped}, "b": 1}, wrapped):
            check_equal(read_checkpoint(write(checkpoint, tmp_path, form)), state)
    averaged = {"n_averaged": torch.tensor(3)} | {f"module.{name}": tensor for name, tensor in state.items()}
    check_equal(read_checkpoint(write({"net": averaged}, tmp_path, form)), state)


@given(st.data())
def test_parse_checkpoint_reads_any_strided_view_as_torch(data):
    shape = data.draw(st.lists(st.integers(0, 4), min_size=0, max_size=4))
    strides = data.draw(st.lists(st.integers(1, 6), min_size=len(shape), max_size=len(shape)))
    offset = data.draw(st.integers(0, 5))
    base = torch.arange(200, dtype=torch.int16)
    view = base.as_strided(shape, strides, offset)
    form = data.draw(st.sampled_from(["zip", "older"]))
    check_equal(parse_checkpoint(saved({"v": view}, form), name="w.pth"), {"v": view})


class _ReducedAsBefore04:
    """A tensor as torch below 0.4 pickled it: another function, and storages that are parts of others."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return torch._utils._rebuild_tensor, (_Part(), 1, tuple(self.tensor.shape), self.tensor.stride())


class _Part:
    pass


def test_parse_checkpoint_reads_files_of_torch_below_0_4():
    numbers = torch.arange(10.0)
    tensor = numbers[2:][1:7].reshape(2, 3)  # item 1 of the part that starts at item 2
    file = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        pickle.dump(value, file, 2)
    pickler = pickle.Pickler(file, 2)
    pickler.persistent_id = lambda value: (
        ("storage", torch.FloatStorage, "0", "cpu", 10, ("1", 2, 8)) if isinstance(value, _Part) else None
    )
    pickler.dump({"a": _ReducedAsBefore04(tensor)})
    pickle.dump(["0"], file, 2)
    file.write(struct.pack("<q", 10) + numbers.numpy().tobytes())
    check_equal(parse_checkpoint(file.getvalue(), name="w.pth"), {"a": tensor})


def test_read_checkpoint_returns_arrays_that_cannot_be_changed(tmp_path):
    arrays = read_checkpoint(write({"a": torch.ones(3)}, tmp_path, "zip"))
    with pytest.raises(ValueError, match="read-only"):
        arrays["a"][0] = 2


# -- hostile files -----------------------------------------------------------------------------------------------------


def tensor_pickle(*, offset=0, shape=(2,), strides=(1,), size=100, key="0", extra=b"") -> bytes:
    """A state dict of one float32 tensor, with the numbers given."""

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (_Part(), offset, shape, strides, False, {})

    file = io.BytesIO()
    pickler = pickle.Pickler(file, 2)
    pickler.persistent_id = lambda value: (
        ("storage", torch.FloatStorage, key, "cpu", size) if isinstance(value, _Part) else None
    )
    pickler.dump({"a": Tensor()})
    return file.getvalue()[:-1] + extra + b"."


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"offset": 99}, "exceeds its storage of 100 numbers"),
        ({"offset": 2**40}, "exceeds its storage"),
        ({"offset": -1}, "corrupt pickle"),
        ({"strides": (-1,)}, "corrupt pickle"),
        ({"strides": (100,)}, "exceeds its storage"),
        ({"strides": (2**47,)}, "exceeds its storage"),
        ({"strides": (1, 1)}, "corrupt pickle"),
        ({"shape": (2**47,), "strides": (0,)}, "exceeds its storage"),
        ({"shape": (1.0,)}, "corrupt pickle"),
        ({"shape": (1,) * 100, "strides": (1,) * 100}, ""),
        ({"size": 101}, "is shorter than its 101 numbers"),
        ({"key": "1"}, "it has no 'w/data/1'"),
        ({"key": "../data.pkl"}, "it has no"),
    ],
    ids=str,
)
def test_parse_checkpoint_refuses_a_tensor_outside_of_its_storage(wrong, reason):
    assert parse_checkpoint(in_zip(tensor_pickle()), name="w.pth")["a"].shape == (2,)
    assert reason in refusal(in_zip(tensor_pickle(**wrong)))


@pytest.mark.parametrize(("content", "reason"), HOSTILE_PICKLES, ids=range(len(HOSTILE_PICKLES)))
def test_parse_checkpoint_refuses_a_hostile_pickle_at_once(content, reason):
    before = time.process_time()
    assert reason in refusal(in_zip(content))
    assert time.process_time() - before < 20


def test_parse_checkpoint_refuses_tensors_that_multiply_their_storage():
    """Many names for one storage would fill the memory of whoever copies them."""
    tensors = {f"t{number}": tensor for number, tensor in enumerate([torch.zeros(100_000)] * 3)}
    assert "more than 2 times as many bytes as the file" in refusal(saved(tensors, "zip"))
    header = ", ".join(
        f'"t{number}": {{"dtype": "F32", "shape": [100], "data_offsets": [0, 400]}}' for number in range(9)
    )
    data = f"{{{header}}}".encode()
    assert "times as many" in refusal(len(data).to_bytes(8, "little") + data + bytes(400), "w.safetensors")


def test_parse_checkpoint_refuses_an_archive_with_too_many_files():
    assert "more than 100000 files" in refusal(b"PK\x03\x04" + b"PK\x01\x02" * 100_001)


@pytest.mark.skipif(os.name == "nt", reason="no FIFOs there")
def test_read_checkpoint_does_not_wait_for_a_fifo(tmp_path):
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="not a regular file"):
        read_checkpoint(tmp_path / "w.pth")


def test_read_checkpoint_refuses_numbers_of_another_byte_order(tmp_path):
    assert "big-endian" in refusal(in_zip(tensor_pickle(), byteorder=b"big"))
    older = saved({"a": torch.ones(1)}, "older")
    assert "big-endian" in refusal(older.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"))

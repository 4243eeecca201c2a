"""Files of weights: the good ones in all their wrappings, and the broken, foreign and malicious ones."""

import os
import pickle
import random
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from edgekit.errors import WeightsError
from edgekit.zoo.build import build
from edgekit.zoo.weights import load_weights, read_tensors


@pytest.fixture
def network():
    torch.manual_seed(1)
    return build("lenet5")


@pytest.fixture
def state():
    """Other weights than the network's."""
    torch.manual_seed(2)
    return dict(build("lenet5").state_dict())


def load(network, path, **arguments):
    return load_weights(network, path, model="lenet5", **arguments)


def refused(network, path, **arguments) -> str:
    """The message, which is one line and names the file; the network is as before."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load(network, path, **arguments)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def same(network, state) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


# ---- files that load


def write_safetensors(state, path):
    save_file(state, path)


def write_pth(state, path):
    torch.save(state, path)


def write_old_pth(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_safetensors, "w.safetensors"),
        (write_pth, "w.pth"),
        (write_pth, "w.bin"),
        (write_old_pth, "w.pth"),
    ],
)
def test_formats(network, state, tmp_path, write, name):
    path = tmp_path / name
    write(state, path)
    assert not same(network, state)
    assert load(network, path) is False
    assert same(network, state)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}},
        lambda state: {name: torch.nn.Parameter(tensor) for name, tensor in state.items()},
    ],
    ids=["state_dict", "model", "DataParallel", "compile", "all of them", "parameters"],
)
def test_wrappings(network, state, tmp_path, wrap):
    torch.save(wrap(state), tmp_path / "w.pth")
    load(network, tmp_path / "w.pth")
    assert same(network, state)


def test_prefix_of_some_names_is_no_wrapper(tmp_path):
    torch.save({"module.a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "w.pth")
    assert read_tensors(tmp_path / "w.pth").keys() == {"module.a", "b"}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_the_networks(network, state, tmp_path, dtype):
    stored = {name: tensor.to(dtype) for name, tensor in state.items()}
    save_file(stored, tmp_path / "w.safetensors")
    load(network, tmp_path / "w.safetensors")
    assert same(network, {name: tensor.float() for name, tensor in stored.items()})
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_counters_of_batches_are_optional(tmp_path):
    torch.manual_seed(2)
    network, other = build("mobilenet_v2", width_mult=0.1), build("mobilenet_v2", width_mult=0.1)
    state = {n: t for n, t in other.state_dict().items() if not n.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "w.pth")
    load_weights(network, tmp_path / "w.pth", model="mobilenet_v2", width_mult=0.1)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in state.items())


# ---- files that are no files of weights


class Malice:
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
    content = {"state_dict": state, "args": Malice(struck)} if how.startswith("hidden") else {"w": Malice(struck)}
    if how.startswith("pickle"):
        path.write_bytes(pickle.dumps(content, protocol=5 if how.endswith("5") else 2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=not how.endswith("old"))
    assert "refused: it holds more than tensors" in refused(network, path)
    assert not struck.exists()
    torch.load(path, weights_only=False) if how.startswith("torch") else pickle.loads(pickle.dumps(content))
    assert struck.exists()  # it would have


def test_script_archive_is_refused(network, tmp_path):
    """TorchScript runs code as well; made by hand, because torch.jit is deprecated."""
    torch.save({"w": torch.zeros(1)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth", "a") as archive:
        archive.writestr("w/constants.pkl", b"\x80\x02).")
    assert "not a readable" in refused(network, tmp_path / "w.pth")


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
    message = refused(network, tmp_path / "w.pth")
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
    refused(network, tmp_path / "w.safetensors")


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
    assert "not a readable .safetensors or .pth file" in refused(network, tmp_path / "w.safetensors")


@pytest.mark.parametrize("write", [write_pth, write_old_pth, write_safetensors])
def test_truncated(network, state, tmp_path, write):
    path = tmp_path / ("w.safetensors" if write is write_safetensors else "w.pth")
    write(state, path)
    whole = path.read_bytes()
    for kept in [1, 5, 9, 64, 500, len(whole) // 2, len(whole) - 5000, len(whole) - 30, len(whole) - 1]:
        path.write_bytes(whole[:kept])
        refused(network, path)


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
    assert "it unpacks to more than its own size" in refused(network, tmp_path / "w.pth")


def test_no_file(network, tmp_path):
    assert "no such file" in refused(network, tmp_path / "w.pth")
    assert "a folder, not a file" in refused(network, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(network, tmp_path):
    (tmp_path / "w.pth").touch(0o000)
    assert "Permission denied" in refused(network, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "said"),
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
def test_no_state_dict(network, tmp_path, content, said):
    torch.save(content, tmp_path / "w.pth")
    assert said in refused(network, tmp_path / "w.pth")


# ---- tensors that do not fit


def test_every_kind_of_mismatch_is_listed(network, state, tmp_path):
    first, second, third, fourth, *_ = state
    del state[first]
    state["foreign"] = torch.zeros(1)
    state[second] = torch.zeros(99, 98)
    state[third] = torch.full_like(state[third], float("nan"))
    state[fourth] = torch.zeros_like(state[fourth], dtype=torch.int8)
    torch.save(state, tmp_path / "w.pth")
    message = refused(network, tmp_path / "w.pth")
    assert f"1 missing: {first}; 1 unknown: foreign; 1 misshapen: {second} is (99, 98), not" in message
    assert f"2 unusable: {third} has values that are not finite in torch.float32, {fourth} is torch.int8" in message


def test_long_lists_are_cut(network, tmp_path):
    torch.save({f"foreign{number}": torch.zeros(1) for number in range(40)}, tmp_path / "w.pth")
    assert "40 unknown: foreign0, foreign1, foreign2, foreign3, foreign4, foreign5 and 34 more" in refused(
        network, tmp_path / "w.pth"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_one_value_that_is_not_finite(network, state, tmp_path, value):
    name = next(iter(state))
    state[name] = state[name].double()
    state[name].view(-1)[-1] = value
    torch.save(state, tmp_path / "w.pth")
    assert f"1 unusable: {name} has values that are not finite" in refused(network, tmp_path / "w.pth")


# ---- heads of another class count


def test_other_classes_are_refused_with_the_way_out(network, tmp_path):
    torch.save(build("lenet5", classes=7).state_dict(), tmp_path / "w.pth")
    message = refused(network, tmp_path / "w.pth")
    assert "2 misshapen: head.fc.weight is (7, 84), not (10, 84), head.fc.bias is (7,), not (10,)" in message
    assert "its head has 7 classes: `edgekit train` gives it a new one (replace_head=True in Python)" in message


def test_other_classes_keep_the_head_where_that_is_asked_for(network, tmp_path):
    theirs = build("lenet5", classes=7).state_dict()
    torch.save(theirs, tmp_path / "w.pth")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert load(network, tmp_path / "w.pth", replace_head=True) is True
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, (before if name.startswith("head.") else theirs)[name])


def test_same_classes_load_the_head_even_so(network, state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    assert load(network, tmp_path / "w.pth", replace_head=True) is False
    assert same(network, state)


@pytest.mark.parametrize("shape", [(7, 99), (10, 99), (84,), ()])
def test_head_that_differs_in_more_than_its_classes(network, state, tmp_path, shape):
    state["head.fc.weight"] = torch.zeros(shape)
    torch.save(state, tmp_path / "w.pth")
    message = refused(network, tmp_path / "w.pth", replace_head=True)
    assert f"1 misshapen: head.fc.weight is {shape}, not (10, 84)" in message
    assert "replace_head" not in message


def test_replacing_the_head_forgives_nothing_else(network, tmp_path):
    theirs = build("lenet5", classes=7).state_dict()
    lost = next(iter(theirs))
    del theirs[lost]
    torch.save(theirs, tmp_path / "w.pth")
    assert f"1 missing: {lost}" in refused(network, tmp_path / "w.pth", replace_head=True)

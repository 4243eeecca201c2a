"""Weights in all their wrappings, tensors that do not fit, and heads of another class count."""

import pytest
import torch
from made_weights import load, refusal, write_old_pth, write_pth, write_safetensors
from safetensors.torch import save_file

from edgekit.zoo.build import build
from edgekit.zoo.weights import load_weights


def same(network, state) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


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


def test_every_kind_of_mismatch_is_listed(network, state, tmp_path):
    first, second, third, fourth, *_ = state
    del state[first]
    state["foreign"] = torch.zeros(1)
    state[second] = torch.zeros(99, 98)
    state[third] = torch.full_like(state[third], float("nan"))
    state[fourth] = torch.zeros_like(state[fourth], dtype=torch.int8)
    torch.save(state, tmp_path / "w.pth")
    message = refusal(network, tmp_path / "w.pth")
    assert f"1 missing: {first}; 1 unknown: foreign; 1 misshapen: {second} is (99, 98), not" in message
    assert f"2 unusable: {third} has values that are not finite in torch.float32, {fourth} is torch.int8" in message


def test_long_lists_are_cut(network, tmp_path):
    torch.save({f"foreign{number}": torch.zeros(1) for number in range(40)}, tmp_path / "w.pth")
    assert "40 unknown: foreign0, foreign1, foreign2, foreign3, foreign4, foreign5 and 34 more" in refusal(
        network, tmp_path / "w.pth"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_one_value_that_is_not_finite(network, state, tmp_path, value):
    name = next(iter(state))
    state[name] = state[name].double()
    state[name].view(-1)[-1] = value
    torch.save(state, tmp_path / "w.pth")
    assert f"1 unusable: {name} has values that are not finite" in refusal(network, tmp_path / "w.pth")


def test_other_classes_are_refused_with_the_way_out(network, tmp_path):
    torch.save(build("lenet5", classes=7).state_dict(), tmp_path / "w.pth")
    message = refusal(network, tmp_path / "w.pth")
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
    message = refusal(network, tmp_path / "w.pth", replace_head=True)
    assert f"1 misshapen: head.fc.weight is {shape}, not (10, 84)" in message
    assert "replace_head" not in message


def test_replacing_the_head_forgives_nothing_else(network, tmp_path):
    theirs = build("lenet5", classes=7).state_dict()
    lost = next(iter(theirs))
    del theirs[lost]
    torch.save(theirs, tmp_path / "w.pth")
    assert f"1 missing: {lost}" in refusal(network, tmp_path / "w.pth", replace_head=True)

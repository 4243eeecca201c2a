"""Loading weights: file formats and wrappers, tensors that do not fit, and heads of other classes."""

import pytest
import torch
from made_weights import load, refusal, write_old_pth, write_pth, write_safetensors
from safetensors.torch import save_file

from edgekit.errors import WeightsError
from edgekit.zoo.build import build, published_keys
from edgekit.zoo.weights import load_weights, renamed_tensors


def has_weights(network, state) -> bool:
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
def test_load_weights_reads_every_file_format(network, state, tmp_path, write, name):
    path = tmp_path / name
    write(state, path)
    assert not has_weights(network, state)
    assert load(network, path) is False
    assert has_weights(network, state)


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
def test_load_weights_unwraps_checkpoints(network, state, tmp_path, wrap):
    torch.save(wrap(state), tmp_path / "w.pth")
    load(network, tmp_path / "w.pth")
    assert has_weights(network, state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_load_weights_converts_floats_to_the_dtype_of_the_network(network, state, tmp_path, dtype):
    stored = {name: tensor.to(dtype) for name, tensor in state.items()}
    save_file(stored, tmp_path / "w.safetensors")
    load(network, tmp_path / "w.safetensors")
    assert has_weights(network, {name: tensor.float() for name, tensor in stored.items()})
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_load_weights_does_not_need_batch_counters(tmp_path):
    torch.manual_seed(2)
    network, other = build("mobilenet_v2", width_mult=0.1), build("mobilenet_v2", width_mult=0.1)
    state = {n: t for n, t in other.state_dict().items() if not n.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "w.pth")
    load_weights(network, tmp_path / "w.pth", model="mobilenet_v2", width_mult=0.1)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in state.items())


def test_load_weights_lists_every_kind_of_mismatch(network, state, tmp_path):
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


def test_load_weights_reports_mismatches_by_the_names_in_the_file(tmp_path):
    network = build("mobilenet_v2", width_mult=0.1)
    names = {ours: theirs for theirs, ours in published_keys("mobilenet_v2", width_mult=0.1).items()}
    published = renamed_tensors(network.state_dict(), names)
    del published["features.0.0.weight"]
    published["features.1.conv.0.0.weight"] = torch.zeros(1)
    torch.save(published, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        load_weights(network, tmp_path / "w.pth", model="mobilenet_v2", width_mult=0.1)
    assert "1 missing: features.0.0.weight; 1 misshapen: features.1.conv.0.0.weight is (1,), not" in str(caught.value)


def test_load_weights_shortens_long_lists(network, tmp_path):
    torch.save({f"foreign{number}": torch.zeros(1) for number in range(40)}, tmp_path / "w.pth")
    assert "40 unknown: foreign0, foreign1, foreign2, foreign3, foreign4, foreign5 and 34 more" in refusal(
        network, tmp_path / "w.pth"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_load_weights_raises_for_a_value_that_is_not_finite(network, state, tmp_path, value):
    name = next(iter(state))
    state[name] = state[name].double()
    state[name].view(-1)[-1] = value
    torch.save(state, tmp_path / "w.pth")
    assert f"1 unusable: {name} has values that are not finite" in refusal(network, tmp_path / "w.pth")


def test_load_weights_of_other_classes_raises_with_a_hint(network, tmp_path):
    torch.save(build("lenet5", classes=7).state_dict(), tmp_path / "w.pth")
    message = refusal(network, tmp_path / "w.pth")
    assert "2 misshapen: head.fc.weight is (7, 84), not (10, 84), head.fc.bias is (7,), not (10,)" in message
    assert "its head has 7 classes, so train a new one with `edgekit train` (in Python, replace_head=True)" in message


def test_load_weights_with_replace_head_keeps_the_head_of_the_network(network, tmp_path):
    saved = build("lenet5", classes=7).state_dict()
    torch.save(saved, tmp_path / "w.pth")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert load(network, tmp_path / "w.pth", replace_head=True) is True
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, (before if name.startswith("head.") else saved)[name])


def test_load_weights_with_replace_head_loads_a_head_that_fits(network, state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    assert load(network, tmp_path / "w.pth", replace_head=True) is False
    assert has_weights(network, state)


@pytest.mark.parametrize("shape", [(7, 99), (10, 99), (84,), ()])
def test_load_weights_with_replace_head_raises_for_another_head_shape(network, state, tmp_path, shape):
    state["head.fc.weight"] = torch.zeros(shape)
    torch.save(state, tmp_path / "w.pth")
    message = refusal(network, tmp_path / "w.pth", replace_head=True)
    assert f"1 misshapen: head.fc.weight is {shape}, not (10, 84)" in message
    assert "replace_head" not in message


def test_load_weights_with_replace_head_raises_for_missing_tensors(network, tmp_path):
    saved = build("lenet5", classes=7).state_dict()
    missing = next(iter(saved))
    del saved[missing]
    torch.save(saved, tmp_path / "w.pth")
    assert f"1 missing: {missing}" in refusal(network, tmp_path / "w.pth", replace_head=True)

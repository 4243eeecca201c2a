"""Which networks pretrained weights fit."""

import pytest
import torch
from safetensors.torch import save_file

from edgekit.errors import SpecError, WeightsError
from edgekit.fit.candidate import Candidate
from edgekit.fit.transfer import is_plain, transfers
from edgekit.zoo.build import build


def _candidates(*networks):
    return [Candidate(network=network, resolution=96, classes=3) for network in networks]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of a MobileNetV2 with 5 classes."""
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_file(
        {name: tensor.contiguous() for name, tensor in build("mobilenet_v2", classes=5).state_dict().items()}, path
    )
    return str(path)


def test_file_fits_the_network_whose_tensors_it_has(weights):
    found = transfers(_candidates("resnet18", "mobilenet_v2", "mobilenet_v3_small"), [weights])
    assert {network: transfer.weights for network, transfer in found.items()} == {"mobilenet_v2": weights}


def test_file_is_described_by_its_arguments_and_preprocessing(weights):
    description = {"arguments": {"padding": "tf_same"}, "preprocess": {"mean": 0.5}}
    found = transfers(_candidates("resnet18", "mobilenet_v2"), [weights], **description)["mobilenet_v2"]
    assert {"arguments": found.arguments, "preprocess": found.preprocess} == description
    for arguments, message in (({"padding": "none"}, "padding"), ({"paddings": "tf_same"}, "unknown argument")):
        with pytest.raises(SpecError, match=message):
            transfers(_candidates("mobilenet_v2"), [weights], arguments=arguments)


def test_file_that_fits_no_candidate_is_an_error(weights, tmp_path):
    narrow = Candidate(network="mobilenet_v2", width_mult=0.5, resolution=96, classes=3)
    assert not is_plain(narrow)
    with pytest.raises(WeightsError, match="fits none of the networks resnet18 at full width"):
        transfers([narrow, *_candidates("resnet18")], [weights])
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsError, match="text"):
        transfers(_candidates("resnet18"), [str(tmp_path / "text.pth")])
    with pytest.raises(WeightsError, match="no such file"):
        transfers(_candidates("resnet18"), [str(tmp_path / "absent.pth")])


def test_first_weights_of_a_network_count(weights, tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({name: torch.clone(t) for name, t in build("mobilenet_v2", classes=2).state_dict().items()}, other)
    assert transfers(_candidates("mobilenet_v2"), [weights, str(other)])["mobilenet_v2"].weights == weights


def test_published_weights_are_those_that_can_be_had(monkeypatch):
    tried = []

    def path(network, weights):
        tried.append(network)
        if network != "efficientnet_lite0":
            raise WeightsError("no connection")

    monkeypatch.setattr("edgekit.fit.transfer.weights_path", path)
    notes = []
    candidates = _candidates("mobilenet_v2", "resnet18", "efficientnet_lite0", "resnet20")
    found = transfers(candidates, ["imagenet"], on_note=notes.append)
    assert set(found) == {"efficientnet_lite0"}
    assert found["efficientnet_lite0"].arguments == {"padding": "tf_same"}
    assert tried[0] == "efficientnet_lite0"
    assert len(tried) == 2  # without a connection, one attempt is enough
    assert "no connection" in notes[0]
    with pytest.raises(WeightsError, match=r"no published weights can be had: .*no connection"):
        transfers(_candidates("resnet18"), ["imagenet"])

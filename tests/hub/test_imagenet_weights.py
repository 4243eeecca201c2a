"""The table of official weights, compared with that of their publisher, and the choice of a weights file."""

import hashlib
import re
import subprocess
import sys

import pytest
import torch

from edgekit.errors import WeightsError
from edgekit.hub import imagenet_weights
from edgekit.hub.imagenet_weights import PACKAGED, PUBLISHED, PublishedWeights, published_weights, weights_path
from edgekit.zoo.specs import SPECS, spec_named

TORCHVISION_NAMES = {"alexnet_owt": "alexnet"}
VERSIONS = {"mobilenet_v3_large": "IMAGENET1K_V2"}  # of the others, IMAGENET1K_V1
# The networks that must have weights, listed independently of the table.
NETWORKS = {
    "alexnet_owt",
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    "googlenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    *(f"efficientnet_b{size}" for size in range(8)),
}


@pytest.fixture
def entry(torchvision_models, request):
    """The entry of torchvision for the network under test."""
    model = request.getfixturevalue("model")
    return torchvision_models.get_model_weights(TORCHVISION_NAMES.get(model, model))[
        VERSIONS.get(model, "IMAGENET1K_V1")
    ]


def test_published_has_every_network_with_official_weights():
    assert set(PUBLISHED) == NETWORKS
    assert all(row.model == model for model, row in PUBLISHED.items())


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_matches_torchvision(model, entry):
    row, metrics = PUBLISHED[model], entry.meta["_metrics"]["ImageNet-1K"]
    assert row.url == entry.url
    assert row.size_mib == entry.meta["_file_size"]
    assert (row.top1, row.top5) == (metrics["acc@1"], metrics["acc@5"])


@pytest.mark.parametrize("model", PUBLISHED)
def test_size_mib_is_in_mib(model, entry):
    """In units of 10^6 bytes it would be too small for 4 bytes per parameter. GoogLeNet's count omits two heads."""
    row, parameters = PUBLISHED[model], entry.meta["num_params"]
    if model != "googlenet":
        assert row.size_mib * 1e6 < 4 * parameters < row.size_mib * 2**20 < 4 * parameters * 1.03
    assert 0 < row.max_bytes - row.size_mib * 2**20 < 1100


@pytest.mark.parametrize("model", PUBLISHED)
def test_preprocess_matches_torchvision(model, entry, torchvision_models):
    theirs, ours = entry.transforms(), PUBLISHED[model].preprocess
    assert ours.color == "RGB"
    assert ours.pad == 0
    assert [ours.resize] == theirs.resize_size
    assert list(ours.crop) == theirs.crop_size * 2
    assert ours.interpolation == theirs.interpolation.value
    assert theirs.antialias
    pixels = torch.rand(2, 3, 4, 5)
    network_input = normalized(pixels, theirs.mean, theirs.std)
    if model == "googlenet":  # torchvision's network converts to the normalization that our spec has from the start
        with torch.device("meta"):
            network = torchvision_models.googlenet(transform_input=True, init_weights=False)
        network_input = network._transform_input(network_input)
    else:
        assert (list(ours.mean), list(ours.std)) == (theirs.mean, theirs.std)
    torch.testing.assert_close(normalized(pixels, ours.mean, ours.std), network_input)


def normalized(pixels, mean, std):
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))
    return (pixels - mean) / std


@pytest.mark.parametrize("model", PUBLISHED)
def test_padding_matches_the_spec(model):
    assert spec_named(model).arguments.get("padding", "symmetric") == PUBLISHED[model].padding


@pytest.mark.parametrize("row", PUBLISHED.values(), ids=PUBLISHED)
def test_published_rows_are_plausible(row: PublishedWeights):
    assert re.fullmatch("[0-9a-f]{8}", row.sha256)
    assert row.url.startswith("https://")
    assert row.url.endswith(f"-{row.sha256}.pth")
    assert row.license == "BSD-3-Clause"
    assert 50 < row.top1 < row.top5 < 100


def test_published_weights_lists_the_networks_that_have_some():
    with pytest.raises(WeightsError) as caught:
        published_weights("lenet5")
    assert str(caught.value).startswith("'lenet5' has no published weights; these networks have: ")
    assert all(model in str(caught.value) for model in [*PACKAGED, *PUBLISHED])
    assert "lenet5" in SPECS


# -- weights_path ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fetched(monkeypatch):
    """Replace `fetch` by a function that requests nothing, and return its calls."""
    calls = []

    def fetch(url, sha256, **arguments):
        calls.append((url, sha256, arguments))
        return "the file"

    monkeypatch.setattr(imagenet_weights, "fetch", fetch)
    return calls


def test_weights_path_fetches_the_published_file(fetched):
    row = PUBLISHED["resnet18"]
    assert weights_path("resnet18", "imagenet", on_bytes=print) == "the file"
    assert weights_path("resnet18", "imagenet") == "the file"
    (first, second) = fetched
    assert first == (row.url, row.sha256, {"max_bytes": row.max_bytes, "on_bytes": print})
    assert second == (row.url, row.sha256, {"max_bytes": row.max_bytes, "on_bytes": None})


def test_weights_path_returns_a_path_unchanged(tmp_path, fetched):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"")
    assert weights_path("lenet5", str(path)) == path
    assert fetched == []


@pytest.mark.parametrize(("weights", "reason"), [("imagenett", "no such file"), (".", "is a folder")])
def test_weights_path_refuses_what_is_neither_a_file_nor_imagenet(weights, reason, fetched):
    with pytest.raises(WeightsError, match=f"{reason}; `weights` must be a .safetensors or .pth file, or 'imagenet'"):
        weights_path("resnet18", weights)
    assert fetched == []


def test_weights_path_uses_a_file_placed_by_hand_when_offline(tmp_path, monkeypatch):
    """As the message of EDGEKIT_OFFLINE suggests, with a table row whose file the test can create."""
    data = b"weights"
    row = PublishedWeights(
        model="resnet18",
        url=f"https://a.invalid/r-{hashlib.sha256(data).hexdigest()[:8]}.pth",
        size_mib=1,
        top1=1,
        top5=2,
    )
    monkeypatch.setattr(imagenet_weights, "published_weights", lambda model: row)
    monkeypatch.setenv("EDGEKIT_OFFLINE", "1")
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        weights_path("resnet18", "imagenet")
    place = tmp_path / "weights" / row.url.rpartition("/")[2]
    assert f"place it at {place} " in str(caught.value)
    place.parent.mkdir()
    place.write_bytes(data)
    assert weights_path("resnet18", "imagenet") == place


def test_weights_path_of_lite_networks_is_in_their_package(monkeypatch, tmp_path):
    for model, weights in PACKAGED.items():
        path = tmp_path / weights.package.file
        path.parent.mkdir(parents=True)
        path.write_bytes(model.encode())
        assert weights.package.file.endswith(f"-{weights.sha256}.pth")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match="wrong checksum"):  # found, and not the real one
        weights_path("efficientnet_lite1", "imagenet")
    with pytest.raises(WeightsError, match="no such file"):
        weights_path("efficientnet_lite1", "imagenet.pth")


def test_weights_path_needs_no_torch():
    program = (
        "import sys, edgekit.hub.imagenet_weights\n"
        "print([m for m in ('torch', 'onnxruntime', 'typer') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"

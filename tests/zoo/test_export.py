"""Every network of the zoo has the same logits in onnxruntime as in torch."""

import warnings
from pathlib import Path

import pytest
import torch

from edgekit.artifact.info import ArtifactInfo, read_info
from edgekit.dataset import ImageSet
from edgekit.export.from_torch import TOLERANCE, from_torch
from edgekit.image.synthetic import draw_scenes
from edgekit.zoo.build import build
from edgekit.zoo.specs import SPECS

pytestmark = pytest.mark.slow
CLASSES = 10


@pytest.mark.parametrize("name", SPECS)
def test_from_torch_agrees_with_torch(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about lazy initialization
        network = build(name, classes=CLASSES)
    info = ArtifactInfo(
        model=name,
        labels=tuple(f"class {number}" for number in range(CLASSES)),
        preprocess=SPECS[name].preprocess,
        license="Apache-2.0",
    )
    path = tmp_path / "model.onnx"
    images = ImageSet(("any",), draw_scenes(2), ("first", "second"), (0, 0))
    parity = from_torch(network, info, path, images=images).parity
    assert parity.images == 2
    assert parity.relative_difference <= TOLERANCE
    assert read_info(path).parity["to_onnx"]["images"] == 2
    assert path.stat().st_size > 3.9 * sum(p.numel() for p in network.parameters())  # one file, weights included
    path.unlink()  # VGG takes half a gigabyte

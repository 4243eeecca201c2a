"""Model cards: they agree with the models' files."""

import shutil
from pathlib import Path

import pytest

from edgekit.artifact.info import read_info
from edgekit.artifact.sidecar import read_sidecar
from edgekit.bundle.model_card import write_card
from edgekit.errors import DataError

MODELS = Path(__file__).parents[2] / "models"
BUILT_IN = sorted(path.parent for path in MODELS.glob("*/about.toml"))  # other folders contain only a recipe


@pytest.mark.parametrize("folder", BUILT_IN, ids=lambda folder: folder.name)
def test_write_card_reproduces_the_cards_of_the_built_in_models(folder, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    assert write_card(copy).read_text() == (folder / "card.md").read_text()


@pytest.mark.parametrize("folder", BUILT_IN, ids=lambda folder: folder.name)
def test_cards_of_the_built_in_models_have_the_measured_figures(folder):
    card = (folder / "card.md").read_text()
    for path in folder.glob("*.onnx"):
        assert f"{100 * read_info(path).metrics['top1']:.2f}%" in card
    sidecar = read_sidecar(folder / f"{folder.name}-int8.onnx")
    assert f"{sidecar['latency']['speedup']:.2f}x the speed of float32" in card


def test_write_card_raises_for_a_folder_without_about_toml_or_models(tmp_path):
    with pytest.raises(DataError, match=r"about\.toml"):
        write_card(tmp_path)
    (tmp_path / "about.toml").write_text('title = "x"\nsummary = "x"\n')
    with pytest.raises(DataError, match=r"about\.toml: must set data, data_license, limits"):
        write_card(tmp_path)
    shutil.copy(BUILT_IN[0] / "about.toml", tmp_path)
    with pytest.raises(DataError, match=r"no \.onnx file"):
        write_card(tmp_path)

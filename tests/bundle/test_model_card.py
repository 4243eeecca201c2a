"""The card says what the files say."""

import shutil
from pathlib import Path

import pytest

from edgekit.artifact.info import read_info, read_sidecar
from edgekit.bundle.model_card import write_card
from edgekit.errors import DataError

MODELS = Path(__file__).parents[2] / "models"
SHIPPED = sorted(path.parent for path in MODELS.glob("*/about.toml"))  # other folders hold a recipe alone


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_card_is_what_its_files_say(folder, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    assert write_card(copy).read_text() == (folder / "card.md").read_text()


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_card_has_the_measured_figures(folder):
    card = (folder / "card.md").read_text()
    for path in folder.glob("*.onnx"):
        assert f"{100 * read_info(path).metrics['top1']:.2f}%" in card
    sidecar = read_sidecar(folder / f"{folder.name}-int8.onnx")
    assert f"{sidecar['latency']['speedup']:.2f} times as fast" in card


def test_a_folder_without_facts_or_models_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"about\.toml"):
        write_card(tmp_path)
    shutil.copy(SHIPPED[0] / "about.toml", tmp_path)
    with pytest.raises(DataError, match=r"no \.onnx file"):
        write_card(tmp_path)

"""Model cards: they agree with the models' files."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from edgekit.artifact.info import read_info, write_info
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


def test_write_card_states_the_verdict_of_the_quality_gate(tmp_path):
    folder = tmp_path / "lenet5-mnist"
    shutil.copytree(MODELS / "lenet5-mnist", folder)
    assert "proven" not in write_card(folder).read_text()  # it is older than verdicts
    path = folder / "lenet5-mnist-int8.onnx"
    info = read_info(path)
    doubt = "400 held-out images resolve +-1.1 percentage points of top-1 accuracy; about 900 would settle it"
    evidence = info.parity["quantize"] | {"verdict": "unproven", "doubt": doubt, "drop_interval": [-0.5, 1.2]}
    info = dataclasses.replace(info, parity={**info.parity, "quantize": evidence})
    write_info(path.read_bytes(), info, path)
    change = "-1.20 to +0.50 percentage points of top-1 (95% interval)"
    assert f"\n\n`lenet5-mnist-int8` is unproven: {doubt}. Measured: {change}.\n" in write_card(folder).read_text()


def test_write_card_states_that_the_images_chose_the_epoch(tmp_path):
    folder = tmp_path / "lenet5-mnist"
    shutil.copytree(MODELS / "lenet5-mnist", folder)
    for path in folder.glob("*.onnx"):
        info = dataclasses.replace(read_info(path), epoch_choice={"epoch": 7, "epochs": 12, "monitor": "top1"})
        write_info(path.read_bytes(), info, path)
    assert "they chose the epoch (7 of 12, best by top1), so the accuracy is optimistic." in " ".join(
        write_card(folder).read_text().split()
    )


def test_write_card_raises_for_a_folder_without_about_toml_or_models(tmp_path):
    with pytest.raises(DataError, match=r"about\.toml"):
        write_card(tmp_path)
    (tmp_path / "about.toml").write_text('title = "x"\nsummary = "x"\n')
    with pytest.raises(DataError, match=r"about\.toml: must set data, data_license, limits"):
        write_card(tmp_path)
    shutil.copy(BUILT_IN[0] / "about.toml", tmp_path)
    with pytest.raises(DataError, match=r"no \.onnx file"):
        write_card(tmp_path)

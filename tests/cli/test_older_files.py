"""The commands resume files written before the keys were renamed: those in tests/data/schema_1, of aa93f2e."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.train.checkpoint import load_checkpoint
from edgekit.train.run_folder import RunFolder

OLD = Path(__file__).parent.parent / "data" / "schema_1"


@pytest.fixture
def photos(tmp_path):
    """The images that the old run was trained on, in folder `photos`."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label, least in (("dark", 0), ("light", 150)):
            folder = tmp_path / "photos" / split / label
            folder.mkdir(parents=True)
            for number in range(6):
                gray = (rng.integers(0, 100, (12, 12, 1)) + least).repeat(3, axis=2).astype(np.uint8)
                Image.fromarray(gray).save(folder / f"{number}.bmp")
    return tmp_path / "photos"


def test_predict_resumes_a_file_of_schema_1(edgekit, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resumed = Path(shutil.copy(OLD / "resume.jsonl", tmp_path / "resume.jsonl"))
    code, _, err = edgekit(
        "predict", "photos/val/dark/0.bmp", "photos/val/light/0.bmp", "photos/val/light/1.bmp",
        "--model", OLD / "model.onnx", "--resume", "resume.jsonl",
    )  # fmt: skip
    assert code == 0, err
    lines = resumed.read_text().splitlines()
    assert lines[:2] == (OLD / "resume.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines[2:]] == ["photos/val/light/1.bmp"]
    assert json.loads(lines[2])["settings"] == json.loads(lines[0])["settings"]


def test_train_resumes_a_checkpoint_of_schema_1(edgekit, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(OLD / "last.safetensors", run / "last.safetensors")
    saved = RunFolder(run).checkpoint_to_resume(resume=True)
    assert [row["epoch"] for row in saved.state["history"]] == [1]
    code, _, err = edgekit("train", "photos", "--recipe", OLD / "recipe.toml", "--run", "run", "--resume")
    assert code == 0, err
    finished, then = load_checkpoint(run / "model.safetensors"), load_checkpoint(OLD / "model.safetensors")
    assert finished.state["epoch"] == then.state["epoch"] == 2
    for name, tensor in then.tensors.items():
        # Processors and numbers of threads round differently, and the norms amplify it: up to 2% of a tensor. Without
        # the state of the optimizer, it is more than all of it.
        difference = np.linalg.norm(finished.tensors[name] - tensor)
        assert difference <= 0.1 * np.linalg.norm(tensor), name

import json
import shlex
import shutil
import sys

import pytest

from edgekit.cli import main
from edgekit.train.checkpoint import load_checkpoint
from edgekit.train.recipe import read_recipe


@pytest.fixture
def edgekit(monkeypatch, capsys):
    """A function: the exit code, stdout and stderr of `edgekit train ...`."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["edgekit", "train", *map(str, arguments)])
        code = 0
        try:
            main.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


SMALL = ("--model", "lenet5", "--epochs", "2", "--batch-size", "30", "--workers", "0")


def test_a_summary_comes_first_and_the_next_command_last(edgekit, bars, tmp_path):
    code, _, said = edgekit(bars, *SMALL, "--run", tmp_path / "run")
    assert code == 0, said
    lines = said.splitlines()
    assert lines[0] == "train: 60 pictures of 2 classes (30 bar, 30 line); 28x28 to 28x28, mean 28x28; 0 unreadable"
    assert lines[1].startswith("val: 20 pictures")
    assert "top-1" in lines[-2]
    model = tmp_path / "run" / "model.safetensors"
    assert lines[-1].endswith(f"next: edgekit export {model} --pictures {bars} -o model.onnx")


def test_the_next_command_can_be_copied(edgekit, bars, tmp_path):
    shutil.rmtree(bars / "val")
    _, _, said = edgekit(bars, *SMALL, "--val-fraction", "0.2", "--run", tmp_path / "my run")
    command = shlex.split(said.splitlines()[-1].partition("next: ")[2])
    # Without --pictures: all of them, most of which it was trained on, would be taken for the judge.
    assert command == ["edgekit", "export", str(tmp_path / "my run" / "model.safetensors"), "-o", "model.onnx"]


def test_what_can_be_said_at_once_is_said_before_the_pictures_are_looked_at(edgekit, bars, tmp_path):
    assert edgekit(bars, *SMALL, "--run", tmp_path / "run")[0] == 0
    code, _, said = edgekit(bars, *SMALL, "--run", tmp_path / "run")
    assert (code, said.splitlines()) == (
        1,
        [f"error: {tmp_path / 'run'}: holds a training already; go on with --resume, or choose another --run"],
    )
    code, _, said = edgekit(bars, *SMALL, "--run", tmp_path / "other", "--device", "gpu")
    assert (code, len(said.splitlines())) == (2, 1)


def test_missing_weights_are_said_before_the_pictures_are_looked_at(edgekit, bars, tmp_path):
    weights = ("--weights", "nowhere.pth", "--tune", "head")
    code, out, said = edgekit(bars, *SMALL, *weights, "--run", tmp_path / "run")
    assert (code, out) == (4, "")
    assert "no such file" in said
    assert "train:" not in said


def test_options_lie_over_the_recipe_and_are_written_down(edgekit, bars, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('model = "lenet5"\n[augment]\ncrop_padding = 2\n[optimize]\nepochs = 50\n')
    options = ("--recipe", recipe, "--epochs", "1", "--mirror", "--progressive", "[[0.0, 24]]", "--optimizer", "adamw")
    arguments = ("--argument", "dropout=0.1", "--mean", "0.2", "--workers", "0", "--learning-rate", "0.001")
    code, _, said = edgekit(bars, *options, *arguments, "--run", tmp_path / "run")
    assert code == 2  # 24 pixels are not what LeNet-5's linear layers take
    assert "24" in said
    code, _, said = edgekit(bars, *options[:-4], *arguments, "--optimizer", "adamw", "--run", tmp_path / "run")
    assert code == 0, said
    written = read_recipe(tmp_path / "run" / "recipe.toml")
    assert written.optimize.epochs == 1
    assert written.optimize.optimizer == "adamw"
    assert written.augment.mirror
    assert written.augment.crop_padding == 2
    assert written.arguments == {"dropout": 0.1}
    assert written.preprocess.mean == (0.2,)


def test_json_lines_and_a_val_fraction(edgekit, bars, tmp_path):
    shutil.rmtree(bars / "val")
    code, out, said = edgekit(bars, *SMALL, "--val-fraction", "0.2", "--json", "--run", tmp_path / "run")
    assert code == 0, said
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert "val: 12 pictures" in said


def test_bad_pictures_are_an_error_or_left_out(edgekit, bars, tmp_path):
    (bars / "train/bar/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, _, said = edgekit(bars, *SMALL, "--run", tmp_path / "run")
    assert code == 1
    assert "1 of 61 pictures cannot be read" in said
    assert "broken.png" in said
    code, _, said = edgekit(bars, *SMALL, "--max-bad", "1", "--run", tmp_path / "run")
    assert code == 0, said
    assert "1 unreadable" in said


def test_the_preview_and_the_rate_finder_train_nothing(edgekit, bars, tmp_path):
    code, _, said = edgekit(bars, *SMALL, "--preview", tmp_path / "sheet.png", "--run", tmp_path / "run")
    assert code == 0, said
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    code, out, said = edgekit(bars, *SMALL, "--find-lr", "--json")
    assert code == 0, said
    assert json.loads(out)["suggestion"] > 0
    assert not (tmp_path / "run").exists()


def test_from_one_training_to_the_next(edgekit, bars, tmp_path):
    parent, child = tmp_path / "parent", tmp_path / "child"
    assert edgekit(bars, *SMALL, "--run", parent)[0] == 0
    weights = parent / "model.safetensors"
    code, _, said = edgekit(bars, *SMALL, "--weights", weights, "--tune", "partial", "--unfreeze", "f6", "--run", child)
    assert code == 0, said
    assert "frozen: c1, c3, c5" in said
    assert load_checkpoint(child / "model.safetensors").classes == ("bar", "line")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "nothing to train"),
        (("--model", "lenet"), 2, "did you mean lenet5"),
        (("--model", "lenet5", "--tune", "head"), 2, "weights"),
        (("--model", "lenet5", "--weights", "nowhere.pth", "--tune", "head"), 4, "no such file"),
        (("--model", "lenet5", "--unfreeze", "2"), 2, "--unfreeze goes with --tune partial, not with scratch"),
        (("--model", "lenet5", "--feature-copies", "2"), 2, "--feature-copies goes with --tune head"),
        (
            ("--model", "lenet5", "--weights", "w", "--tune", "head", "--rotate", "9"),
            2,
            "with --feature-copies N it has",
        ),
        (
            ("--model", "lenet5", "--weights", "w", "--tune", "head", "--feature-copies", "2", "--mixup", "1"),
            2,
            "--mixup has no effect on the features",
        ),
        (("--model", "lenet5", "--optimizer", "sdg"), 2, "did you mean sgd"),
        (("--model", "lenet5", "--argument", "dropout"), 2, "NAME=VALUE"),
        (("--recipe", "nowhere.toml"), 1, "cannot be read"),
    ],
)
def test_a_mistake_is_one_line(edgekit, bars, tmp_path, options, code, said):
    found, _, line = edgekit(bars, *options, "--run", tmp_path / "run")
    assert found == code
    assert said in line
    assert line.splitlines()[-1].startswith("error: ")

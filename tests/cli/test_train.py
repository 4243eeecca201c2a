"""`edgekit train` from the command line."""

import json
import re
import shlex
import shutil
import sys
from functools import partial

import numpy as np
import pytest
from made_shards import write_tar
from PIL import Image

from edgekit import Classifier
from edgekit.preprocess.crops import PLANS
from edgekit.train.checkpoint import load_checkpoint
from edgekit.train.recipe import read_recipe


@pytest.fixture
def train(edgekit):
    """A function: the exit code, stdout and stderr of `edgekit train ...`."""
    return partial(edgekit, "train")


SMALL = ("--model", "lenet5", "--epochs", "2", "--batch-size", "30", "--workers", "0")


def test_train_prints_a_summary_first_and_the_next_command_last(train, bars, tmp_path):
    code, _, err = train(bars, *SMALL, "--run", tmp_path / "run")
    assert code == 0, err
    lines = err.splitlines()
    assert lines[0] == "train: 60 images in 2 classes (30 bar, 30 line); sizes 28x28 to 28x28, mean 28x28; 0 unreadable"
    assert lines[1].startswith("val: 20 images")
    model = tmp_path / "run" / "model.safetensors"
    assert re.fullmatch(
        r"top-1 [0-9.]+%, macro recall [0-9.]+% on 20 val images, after epoch [12](; 1 of 2 classes never predicted)?",
        lines[-4],
    )
    (best,) = (line for line in lines if line.startswith("best epoch"))
    assert re.fullmatch(r"best epoch [12] of 2 by top1, chosen on the val images: their figures are optimistic", best)
    epochs = [line for line in lines if line.startswith("epoch ")]
    pattern = r"epoch {}/2  loss \d\.\d{{4}}  train \S+%  val \S+%  macro recall \S+%(  1 never predicted)?  \d+\.\d s"
    assert all(re.fullmatch(pattern.format(n), line) for n, line in enumerate(epochs, 1))
    assert lines[-3:] == [
        f"wrote {model}; next: edgekit export {model} --images {bars} -o model.onnx",
        f"then: edgekit quantize model.onnx --calibration {bars}",
        f"then: edgekit predict {bars} --model model-int8.onnx",
    ]


def test_train_prints_a_next_command_that_can_be_copied(train, bars, tmp_path):
    shutil.rmtree(bars / "val")
    _, _, err = train(bars, *SMALL, "--val-fraction", "0.2", "--run", tmp_path / "my run")
    export, quantize, _ = err.splitlines()[-3:]
    command = shlex.split(export.partition("next: ")[2])
    # Without --images: all of them, most of which it was trained on, would measure its accuracy.
    assert command == ["edgekit", "export", str(tmp_path / "my run" / "model.safetensors"), "-o", "model.onnx"]
    assert quantize.endswith(" --no-temperature")


def test_train_reports_wrong_options_before_it_reads_images(train, bars, tmp_path):
    assert train(bars, *SMALL, "--run", tmp_path / "run")[0] == 0
    code, _, err = train(bars, *SMALL, "--run", tmp_path / "run")
    message = "already has a training run; continue it with --resume, or choose another --run folder"
    assert (code, err) == (1, f"error: {tmp_path / 'run'}: {message}\n")
    code, _, err = train(bars, *SMALL, "--run", tmp_path / "other", "--device", "gpu")
    assert (code, len(err.splitlines())) == (2, 1)


def test_train_reports_missing_weights_before_it_reads_images(train, bars, tmp_path):
    weights = ("--weights", "nowhere.pth", "--tune", "head")
    code, out, err = train(bars, *SMALL, *weights, "--run", tmp_path / "run")
    assert (code, out) == (4, "")
    assert "no such file" in err
    assert "train:" not in err


def test_train_options_override_the_recipe_and_are_recorded(train, bars, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('model = "lenet5"\n[augment]\ncrop_padding = 2\n[optimize]\nepochs = 50\n')
    options = ("--recipe", recipe, "--epochs", "1", "--mirror", "--progressive", "[[0.0, 24]]", "--optimizer", "adamw")
    arguments = ("--argument", "dropout=0.1", "--mean", "0.2", "--workers", "0", "--learning-rate", "0.001")
    code, _, err = train(bars, *options, *arguments, "--run", tmp_path / "run")
    assert code == 2  # 24 pixels are not what LeNet-5's linear layers take
    assert "24" in err
    code, _, err = train(bars, *options[:-4], *arguments, "--optimizer", "adamw", "--run", tmp_path / "run")
    assert code == 0, err
    written = read_recipe(tmp_path / "run" / "recipe.toml")
    assert written.optimize.epochs == 1
    assert written.optimize.optimizer == "adamw"
    assert written.augment.mirror
    assert written.augment.crop_padding == 2
    assert written.arguments == {"dropout": 0.1}
    assert written.preprocess.mean == (0.2,)


@pytest.mark.parametrize(
    ("options", "described"),
    [
        (("--fit", "squash"), "32x32 L, squashed to 28x28, bilinear, padded by 2"),
        (
            ("--fit", "letterbox", "--resize", "24,30", "--fill", "9", "--resampler", "torch"),
            "32x32 L, letterboxed into 24x30, bilinear as in torch, not antialiased, padded by 2, filled with 9",
        ),
    ],
    ids=["squash", "letterbox"],
)
def test_train_with_another_fit_ends_in_a_model_that_predicts_with_it(
    train, edgekit, bars, tmp_path, options, described
):
    run, model, image = tmp_path / "run", tmp_path / "model.onnx", tmp_path / "wide.png"
    small = ("--model", "lenet5", "--epochs", "1", "--batch-size", "30", "--workers", "0", "--crop-scale", "0.5,1")
    code, _, err = train(bars, *small, *options, "--run", run)
    assert code == 0, err
    code, _, err = edgekit("export", run / "model.safetensors", "--golden", "2", "--images", bars, "-o", model)
    assert code == 0, err
    code, out, _ = edgekit("inspect", model)
    assert described in out
    noise = np.random.default_rng(0).integers(0, 256, (40, 90), np.uint8)
    Image.fromarray(noise).save(image)
    code, out, _ = edgekit("predict", image, "--model", model, "--json")
    assert code == 0
    classifier = Classifier(model)
    spec = classifier.info.preprocess
    assert spec.describe() == described
    logits = classifier.logits(spec.pixels(Image.fromarray(noise)))[0]
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    (scores,) = (json.loads(line)["top"] for line in out.splitlines())
    assert scores[0]["probability"] == pytest.approx(probabilities.max(), abs=1e-4)
    for plan in PLANS:
        assert classifier.predict(image, plan=plan).views <= len(PLANS[plan])


def test_export_and_inspect_state_that_the_accuracy_is_of_a_chosen_epoch(train, edgekit, bars, tmp_path):
    assert train(bars, *SMALL, "--monitor", "loss", "--run", tmp_path / "run")[0] == 0
    model = tmp_path / "model.onnx"
    code, exported, err = edgekit("export", tmp_path / "run", "--images", bars, "-o", model)
    assert code == 0, err
    _, inspected, _ = edgekit("inspect", model)
    for out in (exported, inspected):
        assert re.search(r"epoch +[12] of 2, the best by loss on its val images: on these, the accuracy is optim", out)


def test_train_writes_json_lines_and_splits_by_val_fraction(train, bars, tmp_path):
    shutil.rmtree(bars / "val")
    code, out, err = train(bars, *SMALL, "--val-fraction", "0.2", "--json", "--run", tmp_path / "run")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert list(rows[0]) == [
        *("epoch", "epochs", "loss", "train_accuracy", "val_loss", "val_accuracy", "macro_recall", "never_predicted"),
        *("learning_rate", "seconds"),
    ]
    assert (tmp_path / "run/results.csv").read_text().splitlines()[0].split(",") == list(rows[0])
    assert "val: 12 images" in err


def test_train_refuses_val_images_that_are_training_images(train, bars, tmp_path):
    shutil.copy(next((bars / "train/bar").iterdir()), bars / "val/bar/copy.png")
    code, _, err = train(bars, *SMALL, "--run", tmp_path / "run")
    assert code == 1
    assert "1 of 21 val images are also training images" in err
    assert "'val/bar/copy.png' = 'train/bar/" in err
    assert "set --allow-leaks to accept that" in err
    with Image.open(bars / "val/bar/copy.png") as image:
        image.save(bars / "val/bar/copy.bmp")
    (bars / "val/bar/copy.png").unlink()
    code, _, err = train(bars, *SMALL, "--run", tmp_path / "run")
    assert code == 1
    assert "1 of 21 val images are also training images" in err
    assert "'val/bar/copy.bmp' = 'train/bar/" in err
    code, _, err = train(bars, *SMALL, "--allow-leaks", "--preview", tmp_path / "preview.png")
    assert code == 0
    assert "warning: 1 of 21 val images are also training images" in err


def test_train_writes_plots_and_tables_for_any_class_name(train, bars, tmp_path):
    for split in ("train", "val"):
        (bars / split / "bar").rename(bars / split / r"$\frac$")
        (bars / split / "line").rename(bars / split / "=1+1")
    code, _, err = train(bars, *SMALL, "--epochs", "1", "--run", tmp_path / "run")
    assert code == 0, err
    assert Image.open(tmp_path / "run/confusion.png").width > 200
    rows = (tmp_path / "run/confusion.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == [r"$\frac$", "'=1+1"]


def test_train_names_classes_that_are_never_predicted(train, bars, tmp_path):
    for path in sorted((bars / "train/line").iterdir())[2:]:
        path.unlink()
    code, _, err = train(bars, *SMALL, "--epochs", "1", "--run", tmp_path / "run")
    assert code == 0, err
    lines = err.splitlines()
    assert "warning: on the val images, never predicted: 'line' (10 images)" in lines
    assert (
        "warning: 'bar' has 30 train images, 'line' only 2; --balance loss or sampler gives small classes more weight"
    ) in lines
    assert "top-1 50.00%, macro recall 50.00% on 20 val images, after epoch 1; 1 of 2 classes never predicted" in lines
    assert next(line for line in lines if line.startswith("epoch")).count("  1 never predicted  ") == 1


def test_train_counts_images_of_many_classes_in_a_short_line(train, tmp_path):
    rng = np.random.default_rng(0)
    for split, more in (("train", 1), ("val", 0)):
        for number in range(12):
            folder = tmp_path / "many" / split / f"class {'x' * 60}{number:02}"
            folder.mkdir(parents=True)
            for image in range(1 + more * number):
                Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{image}.png")
    small = ("--model", "lenet5", "--epochs", "1", "--batch-size", "40", "--workers", "0")
    code, _, err = train(tmp_path / "many", *small, "--run", tmp_path / "run")
    assert code == 0, err
    first = err.splitlines()[0]
    assert first.startswith("train: 78 images in 12 classes (from 1 class xxx")
    assert re.search(r"00 to 12 class x+\.\.\.x+11\); sizes 8x8 to 8x8", first)
    assert len(first) < 200


def test_train_refuses_or_skips_unreadable_images(train, bars, tmp_path):
    (bars / "train/bar/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, _, err = train(bars, *SMALL, "--run", tmp_path / "run")
    assert code == 1
    assert "1 of 61 images cannot be read" in err
    assert "broken.png" in err
    code, _, err = train(bars, *SMALL, "--max-bad", "1", "--run", tmp_path / "run")
    assert code == 0, err
    assert "1 unreadable" in err


def test_train_preview_and_find_lr_train_nothing(train, bars, tmp_path):
    sheet = ("--preview", tmp_path / "sheet.png", "--optimizer", "adamw")  # which would need a rate
    code, _, err = train(bars, *SMALL, *sheet, "--run", tmp_path / "run")
    assert code == 0, err
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    code, out, err = train(bars, *SMALL, "--find-lr", "--json")
    assert code == 0, err
    assert json.loads(out)["suggestion"] > 0
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('model = "lenet5"\n[optimize]\noptimizer = "rmsprop"\n')
    for optimizer in (("--recipe", recipe), (*SMALL, "--optimizer", "adamw")):  # without the rate that is to be found
        code, out, err = train(bars, *optimizer, "--find-lr")
        assert code == 0, err
        assert "suggested: --learning-rate" in err + out
    assert not (tmp_path / "run").exists()


def test_train_refuses_a_log_without_its_package_before_it_reads_images(train, bars, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, _, err = train(bars, *SMALL, "--log", "tensorboard", "--run", tmp_path / "run")
    assert code == 1
    assert err.startswith("error: --log tensorboard needs the package tensorboard; run: pip install tensorboard")
    assert not (tmp_path / "run").exists()


def test_train_writes_event_files_beside_the_csv_file(train, bars, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    code, _, err = train(bars, *SMALL, "--log", "tensorboard", "--run", tmp_path / "run")
    assert code == 0, err
    assert len(list((tmp_path / "run/tensorboard").iterdir())) == 1
    assert (tmp_path / "run/results.csv").exists()


def test_train_starts_from_a_checkpoint(train, bars, tmp_path):
    parent, child = tmp_path / "parent", tmp_path / "child"
    assert train(bars, *SMALL, "--run", parent)[0] == 0
    weights = parent / "model.safetensors"
    code, _, err = train(bars, *SMALL, "--weights", weights, "--tune", "partial", "--unfreeze", "f6", "--run", child)
    assert code == 0, err
    assert "frozen: c1, c3, c5" in err
    assert load_checkpoint(child / "model.safetensors").classes == ("bar", "line")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "--model or --recipe is required"),
        (("--model", "lenet"), 2, "did you mean lenet5"),
        (("--model", "lenet5", "--tune", "head"), 2, "weights"),
        (("--model", "lenet5", "--weights", "nowhere.pth", "--tune", "head"), 4, "no such file"),
        (("--model", "lenet5", "--unfreeze", "2"), 2, "--unfreeze requires --tune partial (got scratch)"),
        (("--model", "lenet5", "--teacher-share", "0.5"), 2, "--teacher-share requires --teacher"),
        (("--model", "lenet5", "--teacher", "missing.onnx"), 1, "missing.onnx: cannot be opened"),
        (("--model", "lenet5", "--feature-copies", "2"), 2, "--feature-copies requires --tune head"),
        (
            ("--model", "lenet5", "--weights", "w", "--tune", "head", "--solver", "lbfgs", "--epochs", "3"),
            2,
            "--solver 'lbfgs' has no epochs and does not use --epochs; leave that out, or set --solver to sgd",
        ),
        (("--model", "lenet5", "--solver", "sgd"), 2, "--solver 'sgd' applies to --tune head only (got 'scratch')"),
        (
            ("--model", "lenet5", "--weights", "w", "--tune", "head", "--rotate", "9"),
            2,
            "add --feature-copies N",
        ),
        (
            ("--model", "lenet5", "--weights", "w", "--tune", "head", "--feature-copies", "2", "--mixup", "1"),
            2,
            "--mixup has no effect with --tune head",
        ),
        (
            ("--model", "lenet5", "--weights", "w", "--tune", "head", "--monitor", "loss"),
            2,
            "--solver 'lbfgs' has no epochs and does not use --monitor; leave that out, or set --solver to sgd",
        ),
        (("--model", "lenet5", "--balance-beta", "1"), 2, "--balance-beta requires --balance loss or sampler"),
        (("--model", "lenet5", "--monitor", "map"), 2, "--monitor 'map' is no figure of images with one label each"),
        (("--model", "lenet5", "--log", "wandb"), 2, "unknown log 'wandb'; known: tensorboard"),
        (("--model", "lenet5", "--optimizer", "sdg"), 2, "did you mean sgd"),
        (("--model", "lenet5", "--argument", "dropout"), 2, "NAME=VALUE"),
        (("--recipe", "nowhere.toml"), 1, "nowhere.toml: cannot be opened"),
    ],
)
def test_train_reports_a_mistake_in_one_line(train, bars, tmp_path, options, code, message):
    exit_code, _, line = train(bars, *options, "--run", tmp_path / "run")
    assert exit_code == code
    assert message in line
    assert line.splitlines()[-1].startswith("error: ")


def test_train_on_shards_gives_the_weights_of_the_folder(train, bars, tmp_path):
    shards = tmp_path / "shards"
    for split in ("train", "val"):
        images = sorted((bars / split).rglob("*.png"))
        for number, first in enumerate(range(0, len(images), 25)):
            members = []
            for index, image in enumerate(images[first : first + 25], first):
                members += [(f"{index:03}.png", image.read_bytes()), (f"{index:03}.cls", image.parent.name.encode())]
            write_tar(shards / f"{split}-{number:03}.tar", members)
    weights = []
    for data, run in ((bars, tmp_path / "folder"), (f"{shards}/*-0*.tar", tmp_path / "run")):
        code, _, err = train(data, *SMALL, "--run", run)
        assert code == 0, err
        weights.append((run / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    next_command = err.splitlines()[-3].partition("next: ")[2]
    assert next_command == f"edgekit export {tmp_path / 'run' / 'model.safetensors'} --images DATA -o model.onnx"

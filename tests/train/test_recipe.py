import json
from pathlib import Path

import pytest

from edgekit.errors import DataError, SpecError
from edgekit.train.recipe import Recipe, read_recipe, to_toml

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/recipe.toml")), ids=lambda path: path.parent.name)
def test_a_shipped_recipe_survives_toml_and_json(path, tmp_path):
    recipe = read_recipe(path)
    (tmp_path / "again.toml").write_text(to_toml(recipe))
    assert read_recipe(tmp_path / "again.toml") == recipe
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_every_kind_of_value_survives(tmp_path):
    recipe = Recipe.from_dict(
        {
            "model": "mobilenet_v2",
            "weights": 'a "quoted" file',
            "tune": "partial",
            "unfreeze": ["stage7", "last"],
            "arguments": {"padding": "tf_same", "stage_strides": [1, 2, 2, 2, 1, 2, 1]},
            "augment": {"crop_scale": [0.3, 1.0], "progressive": [[0.0, 96], [0.5, 224]], "mixup": 0.2},
            "optimize": {"optimizer": "adamw", "learning_rate": 1e-5},
        }
    )
    (tmp_path / "again.toml").write_text(to_toml(recipe))
    assert read_recipe(tmp_path / "again.toml") == recipe


def test_digits_are_not_mirrored_and_photographs_are():
    assert not Recipe.from_dict({"model": "lenet5"}).augment.mirror
    assert Recipe.from_dict({"model": "mobilenet_v2"}).augment.mirror
    assert not Recipe.from_dict({"model": "mobilenet_v2", "augment": {"mirror": False}}).augment.mirror


def test_a_checkpoint_of_before_the_new_fields_is_read():
    old = {
        "model": "lenet5",
        "arguments": {},
        "preprocess": {"color": "L", "resize": 28, "pad": 2, "crop": [32, 32], "mean": [0.1], "std": [0.3]},
        "augment": {"crop_padding": 2, "progressive": [], "mirror": False, "color": 0.0},
        "optimize": {
            "epochs": 25,
            "batch_size": 128,
            "learning_rate": 0.05,
            "momentum": 0.9,
            "weight_decay": 5e-4,
            "warmup_epochs": 1,
            "label_smoothing": 0.0,
            "ema_decay": 0.999,
        },
        "precision": "float32",
        "seed": 0,
    }
    recipe = Recipe.from_dict(old)
    assert recipe.tune == "scratch"
    assert recipe.optimize.optimizer == "sgd"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimise": {}}, "did you mean optimize"),
        ({"optimize": {"learning_rat": 0.1}}, "did you mean learning_rate"),
        ({"optimize": {"learning_rate": -1}}, "learning_rate"),
        ({"optimize": {"epochs": "many"}}, "epochs must be a whole number, not 'many'"),
        ({"optimize": {"epochs": 2.5}}, "epochs must be a whole number, not 2.5"),
        ({"optimize": {"learning_rate": float("nan")}}, "learning_rate must be a number, not nan"),
        ({"optimize": {"restarts": [True]}}, "restarts must be a list, each entry a number"),
        ({"optimize": 3}, r"optimize must be a section, \[optimize\], not 3"),
        ({"preprocess": 3}, "preprocess must be a section"),
        ({"arguments": [1]}, "arguments must be a section"),
        ({"epochs": 3}, r"epochs belongs under \[optimize\]"),
        ({"mirror": True}, r"mirror belongs under \[augment\]"),
        ({"augment": {"mirror": "no"}}, "mirror must be true or false, not 'no'"),
        ({"augment": {"progressive": [1, 2]}}, r"progressive must be a list, each entry \[a number, a whole number\]"),
        ({"augment": {"crop_scale": [0.5]}}, "crop_scale must be"),
        ({"model": 5}, "model must be a text, not 5"),
        ({"tune": 5}, "tune must be a text, not 5"),
        ({"unfreeze": True}, "unfreeze must be a whole number or a list, each entry a text, not True"),
        ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"max_bad": -1}, "max_bad"),
        ({"val_fraction": "a"}, "val_fraction must be a number"),
        ({"weights": 3, "tune": "full"}, "weights must be a text or nothing, not 3"),
        ({"precision": "float16"}, "precision"),
        ({"optimize": {"optimizer": "sdg"}}, "did you mean sgd"),
        ({"tune": "haed"}, "did you mean head"),
        ({"tune": "head"}, "weights"),
        ({"weights": "imagenet"}, "scratch"),
        ({"augment": {"crop_scale": [0.5, 1.0], "crop_padding": 2}}, "two kinds"),
        ({"augment": {"crop_scale": [0.9, 0.5]}}, "rising"),
        ({"augment": {"crop_padding": 32}}, "crop_padding"),
        ({"augment": {"progressive": [[0.0, 64]]}}, "progressive"),
        ({"val_fraction": 1.0}, "val_fraction"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values, message):
    with pytest.raises((DataError, SpecError), match=message):
        Recipe.from_dict({"model": "lenet5", **values})


@pytest.mark.parametrize("text", ['model = "lenet5"\n[optimize]\nepochs = 0\n', 'model = "lenet5"\nepochs = 3\n'])
def test_an_error_in_a_file_names_the_file(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises((DataError, SpecError), match=r"recipe\.toml: .*epochs"):
        read_recipe(path)

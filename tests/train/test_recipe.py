"""Recipes: reading, writing, defaults, and errors that name the entry."""

import dataclasses
import json
from pathlib import Path

import pytest

from edgekit.errors import DataError, SpecError
from edgekit.train.recipe import Recipe, read_recipe, to_toml
from edgekit.train.settings import Augment, Optimize, default_text

MODELS = Path(__file__).parents[2] / "models"
RECIPES = sorted([*MODELS.glob("*/recipe.toml"), *MODELS.glob("*/teacher.toml")])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_to_toml_and_to_dict_round_trip_the_recipes_of_built_in_models(path, tmp_path):
    recipe = read_recipe(path)
    (tmp_path / "again.toml").write_text(to_toml(recipe))
    assert read_recipe(tmp_path / "again.toml") == recipe
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_to_toml_round_trips_every_kind_of_value(tmp_path):
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


def test_from_dict_mirrors_color_images_but_not_digits():
    assert not Recipe.from_dict({"model": "lenet5"}).augment.mirror
    assert Recipe.from_dict({"model": "mobilenet_v2"}).augment.mirror
    assert not Recipe.from_dict({"model": "mobilenet_v2", "augment": {"mirror": False}}).augment.mirror


def test_default_text_states_the_defaults_of_each_tune():
    texts = {field.name: default_text("optimize", field) for field in dataclasses.fields(Optimize)}
    assert texts["epochs"] == "20; head: 40; partial, full: 6"
    assert (texts["optimizer"], texts["restarts"]) == ("sgd; partial, full: adamw", "none")
    for tune, weights in (("scratch", None), ("head", "w"), ("partial", "w"), ("full", "w")):
        optimize = Recipe.from_dict({"model": "lenet5", "tune": tune, "weights": weights}).optimize
        assert f"{optimize.epochs}" in texts["epochs"]
        assert f"{optimize.learning_rate:g}" in texts["learning_rate"]
    fields = {field.name: field for field in dataclasses.fields(Augment)}
    assert default_text("augment", fields["mirror"]) == "on for color images"


HEAD = {"model": "lenet5", "tune": "head", "weights": "w"}


def test_head_is_solved_for_unless_the_optimizer_has_settings():
    solved = Recipe.from_dict(HEAD)
    assert solved.solver == "lbfgs"
    assert "optimize" not in solved.to_dict()
    assert Recipe.from_dict(solved.to_dict()) == solved
    trained = Recipe.from_dict({**HEAD, "optimize": {"epochs": 3}})  # as recipes were written before there were solvers
    assert trained.solver == "sgd"
    assert Recipe.from_dict(trained.to_dict()) == trained
    assert Recipe.from_dict({"model": "lenet5"}).solver is None
    assert dataclasses.replace(solved, solver=None).solver == "lbfgs"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"solver": "lbfgs", "optimize": {"epochs": 40}}, "`solver` 'lbfgs' has no epochs and does not use `epochs`"),
        ({"monitor": "loss"}, "does not use `monitor`"),
        ({"keep": "last"}, "does not use `keep`"),
        ({"precision": "bfloat16"}, "`solver` 'lbfgs' computes in float32"),
        ({"solver": "bfgs"}, "unknown solver 'bfgs'; did you mean lbfgs"),
        ({"solver": 3}, "`solver` must be a string or None"),
        ({"tune": "full", "solver": "sgd"}, "applies to `tune` head only"),
    ],
)
def test_settings_that_the_solver_does_not_use_are_refused(values, message):
    with pytest.raises(SpecError, match=message):
        Recipe.from_dict({**HEAD, **values})


def test_replaced_settings_that_the_solver_does_not_use_are_refused():
    solved = Recipe.from_dict(HEAD)
    with pytest.raises(SpecError, match="does not use `label_smoothing`, `ema_decay`; leave that out"):
        dataclasses.replace(solved, optimize=dataclasses.replace(solved.optimize, label_smoothing=0.1, ema_decay=0.9))


def test_from_dict_reads_the_recipe_of_an_old_checkpoint():
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
    assert (recipe.balance, recipe.monitor, recipe.keep) == ("none", None, "best")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recipes_of_built_in_models_keep_the_last_epoch(path):
    """Their val images are the test images: they measure the accuracy that the cards state."""
    assert read_recipe(path).keep == "last"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimise": {}}, "did you mean optimize"),  # sic
        ({"optimize": {"learning_rat": 0.1}}, "did you mean learning_rate"),
        ({"optimize": {"learning_rate": -1}}, "learning_rate"),
        ({"optimize": {"epochs": "many"}}, r"`epochs` must be an integer \(got 'many'\)"),
        ({"optimize": {"epochs": 2.5}}, r"`epochs` must be an integer \(got 2.5\)"),
        ({"optimize": {"learning_rate": float("nan")}}, r"`learning_rate` must be a number \(got nan\)"),
        ({"optimize": {"restarts": [True]}}, "`restarts` must be a list whose entries are each a number"),
        ({"optimize": 3}, r"'optimize' must be a section, \[optimize\] \(got 3\)"),
        ({"preprocess": 3}, "'preprocess' must be a section"),
        ({"arguments": [1]}, "'arguments' must be a section"),
        ({"epochs": 3}, r"'epochs' belongs under \[optimize\]"),
        ({"mirror": True}, r"'mirror' belongs under \[augment\]"),
        ({"augment": {"mirror": "no"}}, r"`mirror` must be true or false \(got 'no'\)"),
        ({"augment": {"progressive": [1, 2]}}, r"`progressive` must be a list .* each \[a number, an integer\]"),
        ({"augment": {"crop_scale": [0.5]}}, "`crop_scale` must be"),
        ({"model": 5}, r"'model' must be a string \(got 5\)"),
        ({"tune": 5}, r"'tune' must be a string \(got 5\)"),
        ({"unfreeze": True}, "`unfreeze` must be an integer or a list whose entries are each a string"),
        ({"seed": -1}, "`seed` must be from 0"),
        ({"seed": "x"}, "`seed` must be an integer"),
        ({"max_bad": -1}, "max_bad"),
        ({"val_fraction": "a"}, "`val_fraction` must be a number"),
        ({"weights": 3, "tune": "full"}, r"`weights` must be a string or None \(got 3\)"),
        ({"precision": "float16"}, "precision"),
        ({"balance": "los"}, "unknown balance 'los'; did you mean loss"),
        ({"balance_beta": 1.5}, r"`balance_beta` must be from 0 to 1 \(got 1.5\)"),
        ({"monitor": "macro_recall"}, "unknown monitor 'macro_recall'; did you mean macro-recall"),
        ({"keep": "first"}, "unknown keep 'first'"),
        ({"optimize": {"optimizer": "sdg"}}, "did you mean sgd"),
        (
            {"tune": "full", "weights": "w", "optimize": {"optimizer": "sgd"}},
            "'sgd' needs a `learning_rate`: the default of `tune` 'full', 0.0005, is for adamw",
        ),
        ({"optimize": {"optimizer": "adamw"}}, "'adamw' needs a `learning_rate`: .* `tune` 'scratch', 0.1, is for sgd"),
        ({"tune": "haed"}, "did you mean head"),
        ({"tune": "head"}, "'head' starts from pretrained weights"),
        ({"weights": "imagenet"}, "leave out `weights`"),
        ({"augment": {"crop_scale": [0.5, 1.0], "crop_padding": 2}}, "two kinds"),
        ({"augment": {"crop_scale": [0.9, 0.5]}}, "increasing"),
        ({"augment": {"crop_padding": 32}}, "`crop_padding` must be smaller"),
        ({"augment": {"progressive": [[0.0, 64]]}}, "`progressive` crops must be"),
        ({"val_fraction": 1.0}, "`val_fraction` must be from 0 to below 1"),
    ],
)
def test_from_dict_names_the_entry_that_is_wrong(values, message):
    with pytest.raises((DataError, SpecError), match=message):
        Recipe.from_dict({"model": "lenet5", **values})


@pytest.mark.parametrize("text", ['model = "lenet5"\n[optimize]\nepochs = 0\n', 'model = "lenet5"\nepochs = 3\n'])
def test_read_recipe_names_the_file_in_errors(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises((DataError, SpecError), match=r"recipe\.toml: .*epochs"):
        read_recipe(path)


def test_from_dict_takes_the_padding_of_published_weights():
    lite = {"model": "efficientnet_lite0", "tune": "head"}
    assert Recipe.from_dict(lite | {"weights": "imagenet"}).arguments == {"padding": "tf_same"}
    symmetric = lite | {"weights": "imagenet", "arguments": {"padding": "symmetric", "width_mult": 1.0}}
    assert Recipe.from_dict(symmetric).arguments == {"padding": "symmetric", "width_mult": 1.0}
    assert Recipe.from_dict(lite | {"weights": "mine.pth"}).arguments == {}
    assert Recipe.from_dict({"model": "resnet18", "weights": "imagenet", "tune": "head"}).arguments == {}

"""The recipes of a search."""

import pytest

from edgekit.fit.candidate import Candidate
from edgekit.fit.recipes import final_recipe, rung_recipe, transfer_recipe
from edgekit.fit.transfer import Transfer
from edgekit.train.recipe import Recipe, read_recipe, to_toml
from edgekit.train.schedule import extends

SMALL = Candidate(network="mobilenet_v2", width_mult=0.5, resolution=32, margin=False, classes=10)
PHOTO = Candidate(network="mobilenet_v2", resolution=160, classes=10)


def test_recipe_of_a_rung_extends_that_of_the_rung_before():
    first, second, third = (rung_recipe(SMALL, epochs=epochs, seed=3) for epochs in ([2], [2, 9], [2, 9, 20]))
    assert extends(second, first, epoch=2)
    assert extends(third, second, epoch=9)
    assert not extends(second, rung_recipe(SMALL, epochs=[3], seed=3), epoch=3)


def test_recipes_have_the_candidate_and_choose_no_epoch():
    recipe = final_recipe(SMALL, epochs=12, seed=3, val_fraction=0.2)
    assert (recipe.model, recipe.arguments["width_mult"], recipe.seed) == ("mobilenet_v2", 0.5, 3)
    assert (recipe.keep, recipe.tune, recipe.val_fraction, recipe.optimize.epochs) == ("last", "scratch", 0.2, 12)
    assert recipe.preprocess.crop == (32, 32)


def test_small_images_get_padded_crops_and_photos_crops_of_all_scales():
    small, photo = (
        final_recipe(candidate, epochs=12, seed=0, val_fraction=0.0).augment for candidate in (SMALL, PHOTO)
    )
    assert small.crop_padding == 4
    assert (small.progressive, small.crop_scale) == ((), ())
    assert (photo.crop_padding, photo.progressive, photo.crop_scale) == (0, (), (0.35, 1.0))
    assert rung_recipe(SMALL, epochs=[2], seed=0).augment == small


def test_transfer_recipe_solves_for_the_head_or_tunes_everything():
    transfer = Transfer(weights="w.pth", arguments={"padding": "tf_same"}, preprocess={"mean": [0.5], "std": [0.5]})
    head = transfer_recipe(PHOTO, transfer, tune="head", seed=1)
    full = transfer_recipe(PHOTO, transfer, tune="full", epochs=4, seed=1, val_fraction=0.1)
    assert (head.solver, head.weights, head.arguments["padding"]) == ("lbfgs", "w.pth", "tf_same")
    assert head.preprocess.mean == (0.5, 0.5, 0.5)
    assert (full.tune, full.optimize.epochs, full.keep, full.val_fraction) == ("full", 4, "last", 0.1)
    assert (full.optimize.optimizer, full.optimize.backbone_rate, full.optimize.head_start) == ("sgd", 0.01, False)


@pytest.mark.parametrize("candidate", [SMALL, PHOTO])
def test_recipes_survive_their_file(tmp_path, candidate):
    recipe = final_recipe(candidate, epochs=5, seed=0, val_fraction=0.0)
    (tmp_path / "recipe.toml").write_text(f"# A comment\n{to_toml(recipe)}")
    assert read_recipe(tmp_path / "recipe.toml") == recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe

"""The contact sheet of augmented images."""

import numpy as np
from PIL import Image

from edgekit.image.load import load_image
from edgekit.image.size import Size
from edgekit.train.preview import write_preview


def test_write_preview_with_head_tuning_shows_the_images_of_the_cached_features(tmp_path, lenet_recipe, image_set):
    def sheet(augment):
        recipe = lenet_recipe(tune="head", weights="w", augment=augment)
        write_preview(tmp_path / "sheet.png", image_set(20, seed=0), recipe)
        pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
        return [pixels[:, column * 68 + 4 : column * 68 + 68] for column in range(8)]

    plain = sheet({"rotate": 30.0, "mixup": 1.0})
    assert all(np.array_equal(column, plain[0]) for column in plain)
    copies = sheet({"rotate": 30.0, "mixup": 1.0, "feature_copies": 2})
    assert len({column.tobytes() for column in copies}) == 2


def test_write_preview_shows_eight_images_in_eight_epochs(tmp_path, lenet_recipe, image_set):
    write_preview(tmp_path / "sheet.png", image_set(20, seed=0), lenet_recipe(augment={"erase": 1.0}))
    assert load_image(tmp_path / "sheet.png").size == Size(8 * 68 + 4, 8 * 68 + 4)

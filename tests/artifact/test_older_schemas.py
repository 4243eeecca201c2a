"""Reading of files with schema 1: one of each kind, in tests/data/schema_1, written by commit aa93f2e."""

import json
import re
from pathlib import Path

import numpy as np

from edgekit import Classifier
from edgekit.artifact.info import read_info
from edgekit.artifact.older_schemas import with_schema_2
from edgekit.artifact.sidecar import read_sidecar
from edgekit.train.recipe import read_recipe

OLD = Path(__file__).parent.parent / "data" / "schema_1"
OLD_KEYS = re.compile(r'"(licence|pictures?|looks)"')


def test_with_schema_2_renames_keys_at_every_depth_and_leaves_values_alone():
    old = {"schema": 1, "licence": "licence", "parity": {"adopt": {"pictures": 3}}, "vectors": [{"picture": "looks"}]}
    new = {"schema": 2, "license": "licence", "parity": {"adopt": {"images": 3}}, "vectors": [{"image": "looks"}]}
    assert with_schema_2(old) == new
    assert with_schema_2(new) == new


def test_read_info_reads_an_artifact_of_schema_1():
    info = read_info(OLD / "model-int8.onnx")
    assert (info.license, info.metrics["images"], info.calibration["images"]) == ("MIT", 12, 8)
    assert info.adaptive_crops.view_names[0] == "center"
    assert info.parity["quantize"]["held_out"] > 0
    assert not OLD_KEYS.search(json.dumps(info.to_dict()))


def test_classifier_predicts_with_the_adaptive_crops_of_schema_1():
    gray = np.full((40, 60, 3), 90, np.uint8)
    with Classifier(OLD / "model.onnx") as classifier:
        assert classifier.predict(gray, plan="adaptive").label in classifier.labels


def test_read_sidecar_reads_one_of_schema_1():
    sidecar = read_sidecar(OLD / "model-int8.json")
    assert sidecar["schema"] == 2
    assert sidecar["latency"]["speedup"] > 0
    assert not OLD_KEYS.search(json.dumps(sidecar))


def test_golden_vectors_of_schema_1_match_the_current_predictions():
    document = with_schema_2(json.loads((OLD / "model.golden.json").read_text()))
    shape = document["input"]["shape"]
    pixels = np.fromfile(OLD / document["input"]["file"], np.uint8).reshape(shape)
    with Classifier(OLD / "model.onnx") as classifier:
        expected = [vector["logits"] for vector in document["vectors"]]
        np.testing.assert_allclose(classifier.logits(pixels), expected, atol=1e-4)
    assert [vector["image"] for vector in document["vectors"]] == ["val/light/1.bmp", "val/light/3.bmp"]


def test_read_recipe_reads_a_recipe_of_schema_1():
    recipe = read_recipe(OLD / "recipe.toml")
    assert (recipe.model, recipe.optimize.epochs, recipe.preprocess.resize) == ("mobilenet_v1", 2, 32)

"""`edgekit models` from the command line."""

import json

from edgekit.zoo.specs import SPECS


def test_models_lists_the_zoo_and_the_built_in_models(edgekit):
    code, out, _ = edgekit("models")
    assert code == 0
    assert all(name in out for name in SPECS)
    assert "lenet5-mnist-int8" in out


def test_models_filters_by_name_and_writes_json(edgekit):
    code, out, _ = edgekit("models", "lenet5", "--json")
    document = json.loads(out)
    assert code == 0
    assert [network["name"] for network in document["networks"]] == ["lenet5"]
    assert {model["name"] for model in document["built_in"]} == {"lenet5-mnist", "lenet5-mnist-int8"}


def test_models_shows_which_networks_have_official_weights(edgekit):
    networks = {n["name"]: n["weights"] for n in json.loads(edgekit("models", "--json")[1])["networks"]}
    assert networks["resnet50"]["url"].startswith("https://")
    assert networks["plain34"] is None

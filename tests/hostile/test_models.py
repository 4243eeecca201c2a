"""Malicious models: each is refused in one line, within 5 s of CPU time and 600 MB, in a child process."""

import random

import made_models
from made_metadata import hostile_documents, metadata_entries

from edgekit.artifact.info import write_info
from edgekit.artifact.protobuf import delimited


def _bytes(folder, models):
    for name, model, changes in models:
        path = folder / "made.onnx"
        write_info(model.SerializeToString(), made_models.tiny_info(**changes), path)
        yield name, path.read_bytes()


def test_classifier_refuses_malicious_models_with_the_reason(predict_in_child, tmp_path):
    reasons = {name: reason for name, _, reason in made_models.refused_models()}
    files = _bytes(tmp_path, ((name, model, {}) for name, model, _ in made_models.refused_models()))
    outcomes = predict_in_child(files, models=True)
    assert {
        name: outcome for name, outcome in outcomes.items() if reasons[name] not in outcome.get("message", "")
    } == {}
    assert {outcome["error"] for outcome in outcomes.values()} == {"ArtifactError"}


def test_classifier_stops_models_that_run_too_long_or_use_too_much_memory(predict_in_child, tmp_path):
    """What a graph computes from its input cannot be checked before loading."""
    reasons = {name: reason for name, _, reason in made_models.runaway_models()}
    files = _bytes(tmp_path, ((name, model, {}) for name, model, _ in made_models.runaway_models()))
    outcomes = predict_in_child(files, models=True)
    assert {
        name: outcome for name, outcome in outcomes.items() if reasons[name] not in outcome.get("message", "")
    } == {}


def test_classifier_refuses_models_that_contradict_their_metadata(predict_in_child, tmp_path):
    outcomes = predict_in_child(_bytes(tmp_path, made_models.inconsistent_models()), models=True)
    assert {outcome.get("error") for outcome in outcomes.values()} == {"ArtifactError"}, outcomes


def test_classifier_handles_truncated_and_corrupted_models(predict_in_child, tiny_artifact):
    data, chance = tiny_artifact.read_bytes(), random.Random(11)
    cuts = [(f"cut-{at}", data[:at]) for at in sorted({*range(0, 200, 10), *range(0, len(data), len(data) // 40)})]
    changed = []
    for number in range(250):
        bits = bytearray(data)
        for _ in range(chance.choice((1, 1, 4))):
            bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
        changed.append((f"changed-{number}", bytes(bits)))
    outcomes = predict_in_child([*cuts, *changed], models=True)
    assert all(outcomes[name].get("error") == "ArtifactError" for name, _ in cuts)
    assert {outcome.get("error", "ArtifactError") for outcome in outcomes.values()} == {"ArtifactError"}
    assert any("label" in outcomes[name] for name, _ in changed)  # a changed bit in a weight is no reason to refuse


def test_classifier_refuses_hostile_metadata(predict_in_child, tmp_path):
    model, entry = made_models.tiny_model().SerializeToString(), made_models.tiny_info().to_dict()
    outcomes = predict_in_child(
        ((name, model + metadata_entries(text)) for name, text in hostile_documents(entry)), models=True
    )
    assert {name: outcome for name, outcome in outcomes.items() if outcome.get("error") != "ArtifactError"} == {}


def test_classifier_refuses_a_duplicate_metadata_key(predict_in_child):
    import json

    text = json.dumps(made_models.tiny_info().to_dict())
    model = made_models.tiny_model().SerializeToString() + metadata_entries(text, text)
    assert "duplicate metadata key" in predict_in_child([("twice", model)], models=True)["twice"]["message"]


def test_classifier_refuses_millions_of_fields_quickly(predict_in_child):
    parts = delimited(14, delimited(1, b"")) * 3_000_000
    varints = b"\x08\x07" * 5_000_000
    for outcome in predict_in_child([("entries", parts), ("varints", varints)], models=True).values():
        assert outcome["error"] == "ArtifactError"
        assert "fields" in outcome["message"] or "duplicate" in outcome["message"]


def test_classifier_recognizes_ort_format_in_a_file_named_onnx(predict_in_child, tiny_artifact):
    disguised = b"\x12\x06" + b"\0\0ORTM" + tiny_artifact.read_bytes()
    assert disguised[4:8] == b"ORTM"
    assert "own format" in predict_in_child([("ort", disguised)], models=True)["ort"]["message"]

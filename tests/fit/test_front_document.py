"""front.json: everything that a fit found, as one document."""

import json

import pytest
from made_fits import away, fitted

from edgekit import __version__
from edgekit.fit.front_document import front_document, write_front


@pytest.fixture
def document(tmp_path):
    write_front(fitted(tmp_path), tmp_path / "front.json")
    return json.loads((tmp_path / "front.json").read_text())


def test_front_document_is_what_the_file_contains(document, tmp_path):
    assert document == json.loads(json.dumps(front_document(fitted(tmp_path))))
    assert (document["schema"], document["edgekit"]) == (1, __version__)


def test_front_file_has_a_line_for_each_candidate(document, tmp_path):
    lines = (tmp_path / "front.json").read_text().splitlines()
    assert sum(line.startswith('  {"name": ') for line in lines) == len(document["candidates"])


def test_front_document_has_every_candidate_with_its_figures(document, tmp_path):
    found = fitted(tmp_path)
    assert len(document["candidates"]) == len(found.points)
    for entry, point in zip(document["candidates"], found.points, strict=True):
        assert entry["name"] == point.name
        assert entry["arguments"] == dict(point.candidate.arguments)
        assert entry["predicted"] == point.predicted._asdict()
        assert entry["measured"] == (point.measured and point.measured._asdict())
        assert entry["in_budget"] == found.budget.admits(point.figures)


def test_front_document_front_is_inside_the_budget_and_undominated(document):
    by_name = {entry["name"]: entry for entry in document["candidates"]}
    front = [by_name[name] for name in document["front"]]
    assert front
    assert all(entry["in_budget"] for entry in front)
    latencies = [(entry["measured"] or entry["predicted"])["latency_ms"] for entry in front]
    assert latencies == sorted(latencies)
    assert document["chosen"] in document["front"]


def test_front_document_states_accuracy_rungs_and_budget(document):
    assert document["accuracy"] == {"images": 2000, "float32": 0.885, "int8": 0.882, "verdict": "proven"}
    assert document["held_out"] == 500
    assert document["budget"] == {"latency_ms": 5.0, "size_bytes": 4_000_000, "memory_bytes": None}
    assert [len(rung["candidates"]) for rung in document["rungs"]] == [8, 3]
    assert document["rungs"][0]["survivors"] == document["rungs"][1]["candidates"]
    assert set(document["rungs"][0]["accuracies"]) == set(document["rungs"][0]["candidates"])


def test_front_document_without_training_has_no_choice(tmp_path):
    document = front_document(fitted(tmp_path, trained=False))
    assert (document["chosen"], document["reason"], document["accuracy"], document["rungs"]) == (None, None, None, [])
    assert {entry["stage"] for entry in document["candidates"]} == {"ranked"}


def test_front_document_describes_the_device(tmp_path):
    device = front_document(fitted(tmp_path, device=away()))["device"]
    assert (device["name"], device["is_here"], device["source"]) == ("Raspberry Pi 5", False, "device.json")

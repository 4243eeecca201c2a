"""The JSON document and the CSV file of an audit."""

import csv
import io
import json

import numpy as np
from made_audits import colored_images, drawing
from made_names import HOSTILE_NAMES

from edgekit.audit import audit
from edgekit.audit.audit_document import audit_document, csv_lines
from edgekit.dataset import ImageSet


def test_document_is_json_with_every_finding(tiny_artifact):
    images = colored_images(80, flipped=(5,))
    images = ImageSet(images.classes, [*images.sources, b"x"], (*images.names, "broken"), (*images.labels, 0))
    document = json.loads(json.dumps(audit_document(audit(images, model=tiny_artifact, name="mine")), allow_nan=False))
    assert (document["schema"], document["data"], document["images"], document["model"]) == (1, "mine", 81, "tiny")
    assert document["splits"] == {"all": {"images": 81, "by_class": [21, 19, 21, 20]}}
    assert document["suspicious_labels"][0]["name"] == "5.png"
    assert (document["suspicious_labels"][0]["label"], document["suspicious_labels"][0]["likely"]) == ("blue", "green")
    assert document["sizes"] == {"smallest": [20, 30], "median": [20, 30], "largest": [20, 30]}
    assert (document["formats"], document["modes"]) == ({"array": 80}, {"RGB": 80})
    assert document["unreadable"][0]["name"] == "broken"
    assert "1 of 81 files cannot be read" in document["findings"]


def test_document_of_unreadable_images_alone():
    document = audit_document(audit(ImageSet((), [b"x"], ("x",), (0,))))
    assert (document["sizes"], document["formats"], document["classes"]) == ({}, {}, [])
    assert document["splits"]["all"]["by_class"] == []


def test_csv_has_a_line_for_every_image_the_most_doubtful_first(tiny_artifact):
    images = colored_images(80, flipped=(5,))
    images = ImageSet(images.classes, [*images.sources, b"x"], (*images.names, "broken"), (*images.labels, 0))
    rows = list(csv.DictReader(io.StringIO("\n".join(csv_lines(audit(images, model=tiny_artifact))))))
    assert [row["rank"] for row in rows] == [*map(str, range(1, 81)), ""]
    assert (rows[0]["file"], rows[0]["label"], rows[0]["likely"], rows[0]["suspicious"]) == (
        "5.png",
        "blue",
        "green",
        "yes",
    )
    shares = [float(row["label_probability"]) for row in rows[:-1]]
    assert shares == sorted(shares)
    assert (rows[0]["width"], rows[0]["height"], rows[0]["format"], rows[0]["mode"]) == ("30", "20", "array", "RGB")
    assert (rows[-1]["file"], rows[-1]["error"] != "") == ("broken", True)
    assert all(float(row["outlier_score"]) > 1 for row in rows[:-1] if row["outlier"] == "yes")


def test_csv_numbers_the_groups_of_duplicates_and_names_no_label_without_classes():
    sources = [np.asarray(drawing(n // 2)) for n in range(4)]
    rows = list(
        csv.DictReader(io.StringIO("\n".join(csv_lines(audit(ImageSet((), sources, tuple("abcd"), (0,) * 4))))))
    )
    assert [row["duplicates"] for row in rows] == ["1", "1", "2", "2"]
    assert {row["label"] for row in rows} == {""}


def test_csv_of_hostile_names_runs_no_formula():
    sources = [np.asarray(drawing(n)) for n in range(len(HOSTILE_NAMES))]
    labels = tuple(n % 2 for n in range(len(sources)))
    lines = list(csv_lines(audit(ImageSet(("=1+1", "\x1b[2J"), sources, HOSTILE_NAMES, labels))))
    assert len(lines) == len(HOSTILE_NAMES) + 1
    for row in csv.DictReader(io.StringIO("\n".join(lines))):
        assert not row["file"].lstrip().startswith(tuple("=+-@"))
        assert row["label"] in ("'=1+1", "\\x1b[2J")

"""The pass over all images: what each is, whatever it is stored as, and which cannot be read."""

import numpy as np
import pytest
from made_audits import colored_images, drawing
from made_images import WRITERS, encoded

from edgekit import Classifier
from edgekit.audit import survey
from edgekit.audit.survey import survey_images
from edgekit.dataset import ImageSet


def images_of(*sources):
    return ImageSet((), list(sources), tuple(f"i{n}" for n in range(len(sources))), (0,) * len(sources))


def test_survey_states_size_format_and_mode_of_every_format():
    image = drawing(0).crop((0, 0, 96, 64))
    found = survey_images({"all": images_of(*(encoded(image, form) for form in WRITERS))}, None)
    assert found.formats == tuple(WRITERS)
    assert found.sizes.tolist() == [[64, 96]] * len(WRITERS)
    assert found.modes == tuple("P" if form == "GIF" else "RGB" for form in WRITERS)
    assert np.abs(found.thumbnails.astype(int) - found.thumbnails[1]).mean() < 6
    assert found.features is None


def test_survey_keeps_the_order_and_leaves_out_what_cannot_be_read():
    good, also = encoded(drawing(1), "PNG"), np.asarray(drawing(2))
    splits = {"train": images_of(b"broken", good), "val": images_of(also, b"")}
    found = survey_images(splits, None, threads=3)
    assert found.images.names == ("i1", "i0")
    assert found.splits == ("train", "val")
    assert [name for name, _ in found.unreadable] == ["i0", "i1"]
    assert found.formats == ("PNG", "array")


def test_survey_features_are_the_logits(tiny_artifact):
    images = colored_images(6)
    classifier = Classifier(tiny_artifact, threads=1)
    found = survey_images({"all": images}, classifier, threads=2)
    expected = np.stack([classifier.predict(source).logits for source in images.sources])
    np.testing.assert_allclose(found.features, expected, atol=1e-4)


def test_survey_thumbnails_of_reduced_jpegs_are_those_of_the_full_image():
    image = drawing(3, side=900).crop((0, 0, 900, 611))
    found = survey_images({"all": images_of(encoded(image, "JPEG"), encoded(image, "PNG"))}, None)
    assert np.abs(found.thumbnails[0].astype(int) - found.thumbnails[1]).max() <= 4


def test_survey_projects_many_logits_and_keeps_distances(monkeypatch, tiny_artifact):
    monkeypatch.setattr(survey, "_MOST_FEATURES", 3)
    images, classifier = colored_images(8), Classifier(tiny_artifact, threads=1)
    features = survey_images({"all": images}, classifier).features
    logits = np.stack([classifier.predict(source).logits for source in images.sources])
    assert features.shape == (8, 1024)
    assert np.linalg.norm(features[0] - features[1]) == pytest.approx(np.linalg.norm(logits[0] - logits[1]), rel=0.15)

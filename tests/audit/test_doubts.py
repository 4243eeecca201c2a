"""What is judged, and what is not: flipped labels, single images of a class, sets of labels, no labels."""

import dataclasses

import numpy as np
import pytest
from made_audits import colored_images
from made_models import LABELS

from edgekit import Classifier
from edgekit.audit.doubts import find_doubts
from edgekit.audit.duplicates import find_duplicates
from edgekit.audit.survey import survey_images
from edgekit.dataset import ImageSet


@pytest.fixture(scope="module")
def survey_of(tmp_path_factory):
    from made_models import write_tiny

    classifier = Classifier(write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.onnx"), threads=1)
    return lambda images: survey_images({"all": images}, classifier)


def test_find_doubts_ranks_flipped_labels_first(survey_of):
    flipped = (5, 41, 90)
    doubts = find_doubts(survey_of(colored_images(160, flipped=flipped)), (), seed=0)
    assert {issue.image for issue in doubts.label_issues[:3]} == set(flipped)
    assert {issue.image for issue in doubts.label_issues if issue.is_suspicious} >= set(flipped)
    assert [issue.likely for issue in doubts.label_issues[:3]] == [(i.image % 4,) for i in doubts.label_issues[:3]]
    assert (len(doubts.label_issues), len(doubts.outliers), doubts.unjudged) == (160, 160, ())


def test_features_that_do_not_tell_the_classes_apart_are_reported(survey_of):
    survey = survey_of(colored_images(160))
    noise = np.random.default_rng(1).normal(size=survey.features.shape).astype(np.float32)
    (note,) = find_doubts(dataclasses.replace(survey, features=noise), (), seed=0).unjudged
    assert note.startswith("the model hardly sees the classes: it finds the given label of ")
    assert " of 160 images, and the largest class has 40; " in note


def test_copies_of_a_wrongly_labeled_image_do_not_defend_its_label(survey_of):
    images = colored_images(60, flipped=(5,))
    order = [*range(60), *[5] * 6]
    survey = survey_of(images.subset(order))
    duplicates = find_duplicates(survey)
    assert [len(group.images) for group in duplicates if group.is_exact] == [7]
    suspicious = {i.image for i in find_doubts(survey, duplicates, seed=0).label_issues if i.is_suspicious}
    assert suspicious >= {5, *range(60, 66)}


def test_a_class_with_one_image_is_named_and_not_judged(survey_of):
    images = colored_images(40)
    labels = tuple(4 if n == 7 else label for n, label in enumerate(images.labels))
    doubts = find_doubts(survey_of(dataclasses.replace(images, classes=(*LABELS, "rare"), labels=labels)), (), seed=0)
    assert doubts.unjudged == ("classes with a single image (copies count once) are not judged: 'rare'",)
    assert 7 not in {issue.image for issue in doubts.label_issues}
    assert len(doubts.label_issues) == 39


@pytest.mark.parametrize("classes", [(), ("all",)])
def test_images_of_one_class_or_none_have_outliers_but_no_label_issues(survey_of, classes):
    reds = [source for n, source in enumerate(colored_images(320).sources) if n % 4 == 0]
    sources = [*reds, np.full((20, 30, 3), 255, np.uint8)]
    one_color = ImageSet(classes, sources, tuple(map(str, range(81))), (0,) * 81)
    doubts = find_doubts(survey_of(one_color), (), seed=0)
    assert doubts.label_issues == ()
    assert doubts.outliers[0].image == 80
    assert doubts.outliers[0].is_outlier
    assert "not judged" in doubts.unjudged[0]


def test_ten_images_are_needed(survey_of):
    few = find_doubts(survey_of(colored_images(9)), (), seed=0)
    assert few.unjudged == ("labels and outliers are not judged: there are fewer than 10 different images (9)",)
    assert find_doubts(survey_of(colored_images(10)), (), seed=0).unjudged == ()


def test_missing_and_wrong_labels_of_sets_are_found(survey_of):
    images = colored_images(200)
    sets = [(label,) if label < 2 else (2, 3) for label in images.labels]
    sets[4], sets[9], sets[6] = (), (0, 1), (2,)
    tagged = dataclasses.replace(images, labels=(), label_sets=tuple(sets))
    doubts = find_doubts(survey_of(tagged), (), seed=0)
    top = {issue.image: issue.likely for issue in doubts.label_issues[:3]}
    assert top == {4: (0,), 9: (1,), 6: (2, 3)}
    assert all(issue.is_suspicious for issue in doubts.label_issues[:3])


@pytest.mark.parametrize("labels", [(), (0,)])
def test_sets_that_are_all_the_same_are_not_judged(survey_of, labels):
    tagged = dataclasses.replace(colored_images(20), labels=(), label_sets=(labels,) * 20)
    doubts = find_doubts(survey_of(tagged), (), seed=0)
    assert doubts.label_issues == ()
    assert doubts.unjudged == ("labels are not judged: there is none that some images have and others do not",)

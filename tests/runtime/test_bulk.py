"""Many images at once: the answers of one after the other, in order, in bounded memory."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_images import encoded, noise

from edgekit import Classifier
from edgekit.errors import ImageError, SpecError
from edgekit.runtime.bulk import overlapped, predict_many

IMAGES = [np.asarray(noise(20 + n, 31)) for n in range(12)]


@pytest.fixture(scope="module")
def classifier(tiny_artifact):
    return Classifier(tiny_artifact, threads=2)


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_answers_are_those_of_single_images_in_order(classifier, workers):
    sources = [*IMAGES, b"broken", ImageError("an error is its own answer"), encoded(noise(20, 20), "PNG")]
    answers = list(predict_many(classifier, sources, top=2, plan="flip", workers=workers))
    assert len(answers) == len(sources)
    assert [isinstance(answer, ImageError) for answer in answers] == [False] * 12 + [True, True, False]
    assert answers[13] is sources[13]
    for source, answer in zip(sources, answers, strict=True):
        if not isinstance(answer, ImageError):
            single = classifier.predict(source, top=2, plan="flip")
            np.testing.assert_array_equal(answer.probabilities, single.probabilities)
            assert answer.top == single.top


@given(order=st.permutations(range(len(IMAGES))))
def test_shuffled_images_give_shuffled_answers(classifier, order):
    answers = predict_many(classifier, [IMAGES[n] for n in order], workers=2)
    expected = (classifier.predict(IMAGES[n]).to_dict() for n in order)
    assert [answer.to_dict() for answer in answers] == list(expected)


def test_several_are_in_work_at_once_and_few_ahead():
    together, taken = threading.Barrier(3), []

    def items():
        for n in range(200):
            taken.append(n)
            yield n

    def work(n):
        if n < 3:
            together.wait(timeout=30)  # passes only where three are in work at once
        return n

    for count, answer in enumerate(overlapped(work, items(), workers=3), 1):
        assert answer == count - 1
        assert len(taken) <= count + 3 * 8


def test_an_answer_does_not_wait_for_images_that_come_late():
    def items():
        yield 1
        assert done.wait(timeout=30)
        time.sleep(0.05)  # its future is done a moment after the function
        yield 2
        assert seen == [1]

    done, seen = threading.Event(), []
    for answer in overlapped(lambda n: (done.set(), n)[1], items(), workers=1):
        seen.append(answer)
    assert seen == [1, 2]


def test_what_is_raised_is_raised_in_its_turn_and_threads_end(classifier):
    def work(n):
        return 1 // (5 - n)

    before, answers = threading.active_count(), []
    with pytest.raises(ZeroDivisionError):
        answers.extend(overlapped(work, range(50), workers=2))
    assert threading.active_count() == before
    first = predict_many(classifier, IMAGES * 20, workers=2)
    next(first)
    first.close()
    assert threading.active_count() == before


def test_kept_errors_do_not_keep_the_images(classifier):
    class Bytes(bytearray):
        """Bytes that can be watched."""

    watched: list[weakref.ref[Bytes]] = []

    def sources():
        for _ in range(20):
            data = Bytes(b"not an image" * 100)
            watched.append(weakref.ref(data))
            yield data

    errors = list(predict_many(classifier, sources(), workers=2))
    gc.collect()
    assert len(errors) == 20
    assert [reference() for reference in watched] == [None] * 20


def test_wrong_arguments_are_said(classifier):
    with pytest.raises(SpecError, match="list"):
        next(predict_many(classifier, "image.jpg"))
    with pytest.raises(SpecError, match="workers"):
        next(predict_many(classifier, IMAGES, workers=0))
    with pytest.raises(SpecError, match="crop plan"):
        next(predict_many(classifier, IMAGES, plan="all"))

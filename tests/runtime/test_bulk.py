"""predict_many: the results of single predictions, in order, in bounded memory, with no thread left over."""

import gc
import itertools
import threading
import time
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_images import encoded, noise

from edgekit import Classifier, Ensemble, ImageError, SpecError
from edgekit.runtime.bulk import overlapped
from edgekit.runtime.loaded_model import LoadedModel

IMAGES = [np.asarray(noise(20 + n, 31)) for n in range(12)]
WAIT_S = 30  # for what must not hang; generous, because machines are shared


@pytest.fixture(scope="module")
def classifier(tiny_artifact):
    return Classifier(tiny_artifact, threads=2)


@pytest.fixture(params=["classifier", "ensemble"])
def predictor(request, classifier, tiny_artifact):
    return classifier if request.param == "classifier" else Ensemble([classifier, Classifier(tiny_artifact, threads=1)])


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_predict_many_returns_the_single_predictions_in_order(predictor, workers):
    sources = [*IMAGES, b"broken", ImageError("failed before"), encoded(noise(20, 20), "PNG")]
    options = {"top": 2, "plan": "flip", "average": "logits", "unknown_below": 0.5}
    results = list(predictor.predict_many(sources, workers=workers, **options))
    assert [isinstance(result, ImageError) for result in results] == [False] * 12 + [True, True, False]
    assert results[13] is sources[13]
    for source, result in zip(sources, results, strict=True):
        if not isinstance(result, ImageError):
            assert result == predictor.predict(source, **options)


def test_predict_many_accepts_the_channel_order_and_the_budget(classifier):
    (result,) = classifier.predict_many([IMAGES[0][..., ::-1].copy()], channels="BGR")
    assert result == classifier.predict(IMAGES[0])
    with pytest.raises(SpecError, match="`budget` needs the plan 'adaptive'"):
        classifier.predict_many(IMAGES, budget=2)


@given(order=st.permutations(range(len(IMAGES))))
def test_predict_many_results_follow_the_images_in_any_order(classifier, order):
    results = classifier.predict_many([IMAGES[n] for n in order], workers=2)
    assert list(results) == [classifier.predict(IMAGES[n]) for n in order]


def test_predict_many_raises_the_first_error_if_asked_to(classifier):
    before = threading.active_count()
    results = classifier.predict_many([IMAGES[0], b"broken", b"also broken", *IMAGES], workers=2, on_error="raise")
    assert next(results) == classifier.predict(IMAGES[0])
    with pytest.raises(ImageError, match=r"^6 bytes: "):
        next(results)
    assert list(results) == []
    assert threading.active_count() == before


def test_predict_many_reads_an_endless_iterator_a_bounded_number_ahead(classifier):
    taken = []

    def images():
        for number in itertools.count():
            taken.append(number)
            yield IMAGES[number % len(IMAGES)]

    results = classifier.predict_many(images(), workers=2)
    for count, _ in enumerate(itertools.islice(results, 200), 1):
        assert len(taken) <= count + 2 * 8
    results.close()


def test_predict_many_does_not_keep_results_or_images(classifier):
    alive = []

    def images():
        while True:
            image = noise(20, 20)
            alive.append(weakref.ref(image))
            yield image

    results = classifier.predict_many(images(), workers=2)
    for _ in range(100):
        next(results)
    gc.collect()
    assert sum(reference() is not None for reference in alive) <= 2 * 8 + 2
    results.close()


def test_predict_many_opens_a_second_session_only_if_it_is_needed(tiny_artifact, monkeypatch):
    opened, open_model = [], LoadedModel._open
    monkeypatch.setattr(LoadedModel, "_open", lambda model: opened.append(model.options.threads) or open_model(model))
    for threads, images, expected in ((2, IMAGES, [2, 1]), (1, IMAGES, [1]), (2, IMAGES[:1], [2])):
        opened.clear()
        with Classifier(tiny_artifact, threads=threads) as one:
            list(one.predict_many(images, workers=None if len(images) == 1 else 2))
        assert opened == expected


def test_predict_many_leaves_a_shared_member_open(classifier, tiny_artifact):
    member = Classifier(tiny_artifact, threads=1)
    list(Ensemble([classifier, member]).predict_many(IMAGES, workers=2))
    member.warmup()
    classifier.warmup()


def test_predict_many_ends_its_threads_when_it_is_closed(classifier):
    before = threading.active_count()
    results = classifier.predict_many(IMAGES * 20, workers=2)
    next(results)
    assert threading.active_count() > before
    results.close()
    assert threading.active_count() == before


def test_predict_many_ends_its_threads_after_a_keyboard_interrupt(classifier):
    def images():
        yield from IMAGES
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        list(classifier.predict_many(images(), workers=2))
    deadline = time.monotonic() + WAIT_S
    while threading.active_count() > before:
        assert time.monotonic() < deadline, "a thread is left"
        time.sleep(0.01)


@pytest.mark.parametrize("one", ["image.jpg", b"\xff\xd8", bytearray(3), IMAGES[0], noise(9, 9), None, 3], ids=repr)
def test_predict_many_rejects_a_single_image(classifier, one):
    with pytest.raises(SpecError, match="`images` must be a list or another iterable of images"):
        classifier.predict_many(one)


def test_predict_many_rejects_one_file_object(classifier, tmp_path):
    (tmp_path / "image").write_bytes(b"line\nline\n")
    with (tmp_path / "image").open("rb") as file, pytest.raises(SpecError, match="`images`"):
        classifier.predict_many(file)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_predict_many_rejects_invalid_workers(classifier, workers):
    with pytest.raises(SpecError, match="`workers` must be an integer from 1"):
        classifier.predict_many(IMAGES, workers=workers)


def test_predict_many_rejects_an_unknown_choice_of_on_error(classifier):
    with pytest.raises(SpecError, match="unknown `on_error` 'skip'; known: raise, yield"):
        classifier.predict_many(IMAGES, on_error="skip")


def test_overlapped_runs_several_items_at_once_and_few_ahead():
    together, taken = threading.Barrier(3), []

    def items():
        for n in range(200):
            taken.append(n)
            yield n

    def work(n):
        if n < 3:
            together.wait(timeout=WAIT_S)  # passes only if three are in work at once
        return n

    for count, result in enumerate(overlapped(work, items(), workers=3), 1):
        assert result == count - 1
        assert len(taken) <= count + 3 * 8


def test_overlapped_does_not_hold_a_result_back_for_items_that_come_late():
    def items():
        yield 1
        assert done.wait(timeout=WAIT_S)
        time.sleep(0.05)  # its future is done a moment after the function
        yield 2
        assert results == [1]

    done, results = threading.Event(), []
    for result in overlapped(lambda n: (done.set(), n)[1], items(), workers=1):
        results.append(result)
    assert results == [1, 2]


def test_overlapped_raises_an_error_in_its_turn_and_ends_its_threads():
    before, results = threading.active_count(), []
    with pytest.raises(ZeroDivisionError):
        results.extend(overlapped(lambda n: 1 // (5 - n), range(50), workers=2))
    assert threading.active_count() == before


def test_predict_many_errors_do_not_keep_their_images(classifier):
    class Bytes(bytearray):
        """Bytes that can be watched."""

    watched: list[weakref.ref[Bytes]] = []

    def sources():
        for _ in range(20):
            data = Bytes(b"not an image" * 100)
            watched.append(weakref.ref(data))
            yield data

    errors = list(classifier.predict_many(sources(), workers=2))
    gc.collect()
    assert len(errors) == 20
    assert [reference() for reference in watched] == [None] * 20

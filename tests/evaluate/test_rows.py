"""Tables larger than the memory for them: the same figures, whatever the blocks and the order of the images."""

import math
import tracemalloc

import numpy as np
import pytest

from edgekit.errors import EdgekitError
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.calibration import calibration
from edgekit.evaluate.rows import RowCollector, blocks, mapped, of_rows


@pytest.fixture
def small_blocks(monkeypatch):
    """Tables above 1000 bytes lie in a file, and are worked on in blocks of 10 rows of 5 values."""
    monkeypatch.setattr("edgekit.evaluate.rows._IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("edgekit.evaluate.rows._BLOCK_BYTES", 400)


def table(values, kept=None):
    collector = RowCollector()
    for row in values:
        collector.append(row)
    return collector.table(kept)


@pytest.mark.parametrize("kept", [None, range(0, 137, 3), [136], range(137)])
def test_a_table_in_a_file_equals_one_in_memory(small_blocks, kept):
    values = np.random.default_rng(0).normal(size=(137, 5))
    stored = table(values, None if kept is None else list(kept))
    assert isinstance(stored, np.memmap)
    expected = values if kept is None else values[list(kept)]
    np.testing.assert_array_equal(stored, expected)
    assert len(list(blocks(stored))) == -(-len(expected) // 10)
    np.testing.assert_array_equal(of_rows(stored, lambda rows: rows.max(axis=1)), expected.max(axis=1))
    doubled = mapped(stored, lambda rows: 2 * rows)
    assert isinstance(doubled, np.memmap) == (expected.nbytes > 1000)
    np.testing.assert_array_equal(doubled, 2 * expected)


def test_a_small_table_stays_in_memory():
    values = np.random.default_rng(0).normal(size=(20, 5))
    assert not isinstance(table(values), np.memmap)
    np.testing.assert_array_equal(table(values, [3, 7]), values[[3, 7]])


def test_a_full_disk_is_one_line(small_blocks, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgekit.evaluate.rows.tempfile.TemporaryFile", full)
    with pytest.raises(EdgekitError, match=r"cannot be written: No space left on device; set TMPDIR to a folder"):
        table(np.zeros((100, 5)))


def probabilities(count=400, classes=5):
    rng = np.random.default_rng(1)
    scores = np.exp(2 * rng.normal(size=(count, classes)))
    return scores / scores.sum(axis=1, keepdims=True), rng.integers(classes, size=count)


def test_figures_do_not_depend_on_the_order_of_the_images_nor_on_the_blocks(monkeypatch):
    values, truth = probabilities()
    expected = calibration(truth, values), Accuracy(truth, values).to_dict()
    order = np.random.default_rng(2).permutation(len(truth))
    monkeypatch.setattr("edgekit.evaluate.rows._IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("edgekit.evaluate.rows._BLOCK_BYTES", 400)
    stored = table(values[order])
    assert (calibration(truth[order], stored), Accuracy(truth[order], stored).to_dict()) == expected


def test_sums_are_exact():
    values, truth = probabilities()
    measured = calibration(truth, values)
    assert measured.nll == math.fsum(-np.log(values[np.arange(len(truth)), truth])) / len(truth)
    full = [part for part in measured.bins if part.images]
    edges = values.max(axis=1)
    for part in full:
        members = edges[(edges > part.low) & (edges <= part.high)]
        assert (part.images, part.confidence) == (len(members), math.fsum(members) / len(members))


def test_memory_does_not_grow_with_the_table(monkeypatch):
    monkeypatch.setattr("edgekit.evaluate.rows._IN_MEMORY_BYTES", 2**18)
    monkeypatch.setattr("edgekit.evaluate.rows._BLOCK_BYTES", 2**16)
    rng, collector = np.random.default_rng(0), RowCollector()
    tracemalloc.start()
    for _ in range(6000):
        row = rng.random(100)
        collector.append(row / row.sum())
    stored = collector.table()
    truth = rng.integers(100, size=len(stored))
    calibration(truth, stored)
    Accuracy(truth, stored).to_dict()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < stored.nbytes / 3

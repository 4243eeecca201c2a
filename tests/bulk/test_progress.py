"""Progress of a job: exact where images are listed, estimated from bytes where shards have to be read first."""

import pytest

from edgekit.bulk.job_shards import ImageRange, JobShard
from edgekit.bulk.manifest import ShardResult
from edgekit.bulk.progress import ProgressCounter
from edgekit.shards import Shard

FILES = [JobShard(number, ImageRange(0, 9, 10)) for number in range(2)]
TARS = [JobShard(number, Shard(path=f"{number}.tar", kind="tar", size_bytes=1_000_000)) for number in (2, 3)]


@pytest.fixture
def states():
    return []


def test_files_are_counted_exactly(states):
    counter = ProgressCounter(FILES, states.append)
    for failed in (False, True):
        counter.count_image(0, failed)
    counter.count_shard(ShardResult(0, rows=10, failed=4))
    assert [state[:3] for state in states] == [(1, 20, 0), (2, 20, 1), (10, 20, 4)]
    assert all(state.images_per_s > 0 for state in states)


def test_shards_are_estimated_from_their_bytes(states):
    counter = ProgressCounter(TARS, states.append)
    counter.count_image(8_500, False)
    assert states[-1].total == 200  # with its headers, an image has 10,000 bytes
    counter.count_image(18_500, False)
    assert states[-1].total == 133
    counter.count_shard(ShardResult(2, rows=50))
    assert states[-1][:2] == (50, 100)
    counter.count_shard(ShardResult(3, rows=70))
    assert states[-1][:2] == (120, 120)


def test_engines_that_report_shards_alone_are_enough(states):
    counter = ProgressCounter([*FILES, *TARS], states.append)
    counter.count_shard(ShardResult(0, rows=10))
    counter.count_shard(ShardResult(3, rows=80, failed=1))
    assert [state[:3] for state in states] == [(10, None, 0), (90, 180, 1)]


def test_shards_that_cannot_be_read_do_not_stay_in_the_total(states):
    counter = ProgressCounter(TARS, states.append)
    counter.count_image(8_500, False)
    counter.count_shard(ShardResult(2, error="broken"))
    counter.count_shard(ShardResult(3, rows=80))
    assert states[-1][:2] == (80, 80)

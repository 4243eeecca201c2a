import asyncio
import threading
import time

import pytest
from made_connections import wait_until

from edgekit.errors import ArtifactError
from edgekit.serve.pool import Disconnected, Pool
from edgekit.serve.request_errors import Busy, DeadlineExceeded


@pytest.fixture
def pool():
    pool = Pool(threads=2, queue=2, deadline_s=20)
    yield pool
    pool.close()


def never_left():
    return asyncio.Event().wait()


def test_run_returns_result_of_function(pool):
    assert asyncio.run(pool.run(pow, 2, 10)) == 1024


def test_map_returns_results_in_order_of_items(pool):
    async def doubled():
        return await pool.map(lambda item: item * 2, range(50), disconnected=never_left)

    assert asyncio.run(doubled()) == [item * 2 for item in range(50)]
    assert pool.running == pool.waiting == 0


def test_map_of_nothing_is_empty(pool):
    assert asyncio.run(pool.map(abs, [])) == []


def test_map_uses_all_threads_and_no_more(pool):
    barrier, names = threading.Barrier(2), set()

    def work(_):
        barrier.wait(10)  # breaks if only one thread works
        names.add(threading.current_thread().name)

    asyncio.run(pool.map(work, range(8)))
    assert len(names) == 2


def test_map_raises_first_error_and_starts_no_more(pool):
    started = []

    def work(item):
        started.append(item)
        if item == 1:
            raise ArtifactError("the model is broken")
        time.sleep(0.05)

    with pytest.raises(ArtifactError, match="the model is broken"):
        asyncio.run(pool.map(work, range(100)))
    assert len(started) < 50
    assert pool.waiting == 0


def test_requests_take_turns_image_by_image():
    pool, order = Pool(threads=1, queue=8, deadline_s=20), []
    begun = threading.Event()

    def work(item):
        begun.wait(10)
        order.append(item)

    async def all_at_once():
        many = asyncio.create_task(pool.map(work, [f"many {number}" for number in range(20)]))
        await asyncio.sleep(0)
        ones = [asyncio.create_task(pool.run(work, f"one {number}")) for number in range(3)]
        await asyncio.sleep(0)
        begun.set()
        await asyncio.gather(many, *ones)

    asyncio.run(all_at_once())
    pool.close()
    assert max(order.index(f"one {number}") for number in range(3)) <= 5


def test_full_queue_raises_busy_with_measured_time(pool):
    go_on = threading.Event()

    async def crowd():
        tasks = [asyncio.create_task(pool.run(go_on.wait, 10)) for _ in range(4)]  # two work, two wait
        while pool.running < 2:
            await asyncio.sleep(0.001)
        with pytest.raises(Busy, match="2 requests are waiting") as refused:
            await pool.run(abs, 1)
        go_on.set()
        await asyncio.gather(*tasks)
        return refused.value

    busy = asyncio.run(crowd())
    assert busy.status == 503
    assert int(busy.headers["Retry-After"]) >= 1
    assert asyncio.run(pool.run(abs, -3)) == 3


def test_retry_after_grows_with_measured_time_of_work():
    pool, go_on = Pool(threads=1, queue=9, deadline_s=20), threading.Event()
    asyncio.run(pool.map(time.sleep, [0.2] * 3))
    assert pool._mean_s > 0.065  # the first guess is 0.05 s
    pool._mean_s = 0.02

    async def crowd():
        tasks = [asyncio.create_task(pool.map(lambda _: go_on.wait(10), range(200))) for _ in range(2)]
        await asyncio.sleep(0.05)
        seconds = pool.retry_after_s()
        go_on.set()
        await asyncio.gather(*tasks)
        return seconds

    assert asyncio.run(crowd()) in (8, 9)
    pool.close()


def test_deadline_drops_what_was_not_started():
    pool, started = Pool(threads=1, queue=8, deadline_s=0.2), []

    def work(item):
        started.append(item)
        time.sleep(0.15)

    with pytest.raises(DeadlineExceeded, match=r"took longer than 0\.2 s") as late:
        asyncio.run(pool.map(work, range(50)))
    assert late.value.status == 504
    assert pool.waiting == 0
    time.sleep(0.4)
    assert len(started) < 25
    pool.close()


def test_deadline_is_given_to_runs_of_the_network():
    from edgekit.runtime import run_limits

    pool = Pool(threads=1, queue=8, deadline_s=5)
    left = asyncio.run(pool.run(lambda: run_limits._deadline.get() - time.monotonic()))
    assert 4 < left <= 5
    pool.close()


def test_run_that_is_stopped_at_its_deadline_is_late_even_if_the_event_loop_notices_later(monkeypatch):
    def stopped(item):
        time.sleep(0.15)
        raise ValueError("the run was stopped")

    timeout = asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", lambda seconds: timeout(seconds + 20))
    pool = Pool(threads=1, queue=8, deadline_s=0.1)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(pool.map(stopped, [1]))
    pool.close()


def test_client_that_leaves_drops_what_was_not_started(pool):
    started = []

    def work(item):
        started.append(item)
        time.sleep(0.05)

    with pytest.raises(Disconnected):
        asyncio.run(pool.map(work, range(100), disconnected=lambda: asyncio.sleep(0.1)))
    assert pool.waiting == 0
    wait_until(lambda: pool.running == 0)
    assert len(started) < 50


def test_threads_survive_the_end_of_the_event_loop(pool):
    async def leave():
        task = asyncio.create_task(pool.run(time.sleep, 0.2))
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(leave())
    time.sleep(0.3)
    assert asyncio.run(pool.run(abs, -1)) == 1
    assert sum(worker.is_alive() for worker in pool._workers) == 2


def test_close_ends_threads(pool):
    asyncio.run(pool.run(abs, 1))
    pool.close()
    for worker in pool._workers:
        worker.join(5)
        assert not worker.is_alive()

import asyncio

from edgekit.serve.body_memory import BodyMemory


def test_shares_are_added_and_released():
    memory = BodyMemory(most=10, patience_s=60)
    with memory.share() as first, memory.share() as second:
        assert first.add(6)
        assert second.add(4)
        assert memory.held == 10
    assert memory.held == 0


def test_bytes_beyond_the_limit_are_refused():
    async def fill():
        memory = BodyMemory(most=10, patience_s=60)
        with memory.share() as first, memory.share() as second:
            assert first.add(8)
            assert not second.add(3)
            assert memory.held == 11
        return memory.held

    assert asyncio.run(fill()) == 0


async def sender(memory, count, *, pause_s):
    """Hold bytes and then be silent, as a client that does not send the rest."""
    with memory.share() as share:
        async with asyncio.timeout(60) as timeout:
            with memory.receiving(share, timeout):
                assert share.add(count)
                await asyncio.sleep(pause_s)


def test_client_that_sends_for_too_long_gives_way():
    async def crowd():
        memory = BodyMemory(most=10, patience_s=1)
        slow = [asyncio.create_task(sender(memory, 5, pause_s=60)) for _ in range(2)]
        await asyncio.sleep(0.02)
        with memory.share() as share:
            assert not share.add(1)  # they have had less than a second
        await asyncio.sleep(1.1)
        with memory.share() as share:
            assert share.add(4)
            await asyncio.sleep(0.01)
            assert memory.held == 9
        assert slow[0].done()
        assert not slow[1].done()
        slow[1].cancel()
        return await asyncio.gather(*slow, return_exceptions=True)

    results = asyncio.run(crowd())
    assert [type(result) for result in results] == [TimeoutError, asyncio.CancelledError]


def test_nobody_makes_room_for_itself():
    async def alone():
        memory = BodyMemory(most=10, patience_s=0.0)
        with memory.share() as share:
            async with asyncio.timeout(60) as timeout:
                with memory.receiving(share, timeout):
                    await asyncio.sleep(0.01)
                    return share.add(11)

    assert not asyncio.run(alone())


def test_request_that_was_cut_off_gets_no_more_room():
    async def two():
        memory = BodyMemory(most=10, patience_s=0.0)
        with memory.share() as old, memory.share() as new:
            async with asyncio.timeout(60) as timeout:
                with memory.receiving(old, timeout):
                    old.add(10)
                    await asyncio.sleep(0.01)
                    has_room = new.add(1), old.add(1)  # of a piece that had arrived already
                    timeout.reschedule(None)
        return has_room

    assert asyncio.run(two()) == (True, False)

"""The memory that the bodies of requests take, and who has to give way when it is full."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class BodyMemory:
    """The bytes of bodies that are in memory, of all requests together. Used by one event loop.

    When it is full, new bytes are refused, unless a client has had the time that everybody gets and is still sending:
    then that one is cut off. Otherwise a few clients that send most of a large body at once and the rest byte by byte
    would keep everybody else out.

    Args:
        most: bytes that may be held.
        patience_s: seconds for which a client that is sending is never cut off.

    Attributes:
        held: bytes that are held.
    """

    def __init__(self, *, most: int, patience_s: float) -> None:
        self._most, self._patience_s, self.held = most, patience_s, 0
        self._receiving: dict[Share, tuple[asyncio.Timeout, float]] = {}  # and since when, the longest first

    @contextmanager
    def share(self) -> Iterator[Share]:
        """The part of one request, which is released at the end of the context."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held -= share.held

    @contextmanager
    def receiving(self, share: Share, timeout: asyncio.Timeout) -> Iterator[None]:
        """While a body arrives: it can be cut off, by its timeout."""
        self._receiving[share] = timeout, asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._receiving.pop(share, None)

    def has_room(self, share: Share) -> bool:
        """Whether what is held is within the limit, or will be, because another request is cut off now."""
        if self.held <= self._most:
            return True
        other, (timeout, begin) = next(iter(self._receiving.items()), (share, (None, 0.0)))
        now = asyncio.get_running_loop().time()
        if other is share or timeout is None or now - begin <= self._patience_s:
            return False  # those behind it began later
        del self._receiving[other]
        other.is_cut_off = True
        if not timeout.expired():
            timeout.reschedule(now)
        return True


class Share:
    """The bytes that one request holds.

    Attributes:
        held: number of bytes.
        is_cut_off: whether the request has to give way to others.
    """

    def __init__(self, memory: BodyMemory) -> None:
        self._memory, self.held, self.is_cut_off = memory, 0, False

    def add(self, count: int) -> bool:
        """Hold that many bytes more; return whether there is room for them."""
        self.held += count
        self._memory.held += count
        return not self.is_cut_off and self._memory.has_room(self)

"""A client that loads a server over loopback, from a process of its own, and compares every response."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

_HOST = "127.0.0.1"
_PATIENCE_S = 60.0
_SLOW_BODY = 100_000


class Exchange(NamedTuple):
    """A request, and what each line of its response must contain under `key` (the response itself without a key)."""

    body: bytes
    expected: list[Any]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a client sends.

    Attributes:
        port: of the server on this machine.
        path: with the query.
        content_type: of the bodies.
        exchanges: in turn.
        seconds: for which new requests are sent.
        connections: open at most.
        rate: requests per second, whatever the server does (as users come); None for the next as soon as a connection
            is free.
        slow: further connections that send one byte of their body per second.
    """

    port: int
    path: str
    content_type: str
    exchanges: list[Exchange]
    seconds: float
    connections: int
    rate: float | None = None
    slow: int = 0


@dataclass
class Outcome:
    """What came back.

    Attributes:
        statuses: number of responses by status.
        wrong: responses with status 200 that differ from what was expected.
        lost: requests without a response.
        unsent: requests that were due while all connections were in use.
        latencies_ms: of responses with status 200.
        refusals_ms: of responses with status 503.
        seconds: from the first request to the last response.
        cpu_s: of the client.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    lost: int = 0
    unsent: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    refusals_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float = 0.0

    def figures(self, images: int = 1) -> dict[str, Any]:
        """The outcome in numbers; images: in one request."""
        done = self.statuses[200]
        return {
            "requests": sum(self.statuses.values()) + self.lost,
            "images_per_s": done * images / self.seconds,
            "p50_ms": float(np.percentile(self.latencies_ms, 50)) if done else None,
            "p99_ms": float(np.percentile(self.latencies_ms, 99)) if done else None,
            "refusal_p99_ms": float(np.percentile(self.refusals_ms, 99)) if self.refusals_ms else None,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "wrong": self.wrong,
            "lost": self.lost,
            "unsent": self.unsent,
            "client_cpu_s": self.cpu_s,
        }


def run_load(load: Load) -> Outcome:
    """Send the load from a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, load).result()


def _run(load: Load) -> Outcome:
    begin = time.process_time()
    outcome = asyncio.run(_Client(load).run())
    outcome.cpu_s = time.process_time() - begin
    return outcome


class _Client:
    """The connections of one load."""

    def __init__(self, load: Load) -> None:
        self.load, self.outcome = load, Outcome()
        self._head = f"POST {load.path} HTTP/1.1\r\nHost: {_HOST}\r\nContent-Type: {load.content_type}\r\n"
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._number, self._last = 0, time.perf_counter()

    async def run(self) -> Outcome:
        slow = [asyncio.create_task(self._send_slowly()) for _ in range(self.load.slow)]
        if slow:
            await asyncio.sleep(1)  # all of them are connected
        begin = time.perf_counter()
        await (self._send_on_and_on(begin) if self.load.rate is None else self._send_at_rate(begin, self.load.rate))
        self.outcome.seconds = self._last - begin
        for task in slow:
            task.cancel()
        for _, writer in self._free:
            writer.close()
        return self.outcome

    async def _send_on_and_on(self, begin: float) -> None:
        async def work() -> None:
            while time.perf_counter() - begin < self.load.seconds:
                await self._exchange()

        await asyncio.gather(*(work() for _ in range(self.load.connections)))

    async def _send_at_rate(self, begin: float, rate: float) -> None:
        tasks: set[asyncio.Task[None]] = set()
        for number in range(int(rate * self.load.seconds)):
            await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            if len(tasks) >= self.load.connections:
                self.outcome.unsent += 1
                continue
            tasks.add(asyncio.create_task(self._exchange()))
            tasks = {task for task in tasks if not task.done()} if number % 16 == 0 else tasks
        await asyncio.gather(*tasks)

    async def _exchange(self) -> None:
        exchange = self.load.exchanges[self._number % len(self.load.exchanges)]
        self._number += 1
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                connection = self._free.pop() if self._free else await asyncio.open_connection(_HOST, self.load.port)
                status, body, stays = await self._response(*connection, exchange.body)
        except (OSError, EOFError, TimeoutError, ValueError):
            self.outcome.lost += 1
            return
        self._last = time.perf_counter()
        spent_ms = (self._last - begin) * 1e3
        self.outcome.statuses[status] += 1
        if status == 200:
            self.outcome.latencies_ms.append(spent_ms)
            lines = [json.loads(line) for line in body.splitlines()]
            self.outcome.wrong += [line["top"] for line in lines] != exchange.expected
        elif status == 503:
            self.outcome.refusals_ms.append(spent_ms)
        if stays:
            self._free.append(connection)
        else:
            connection[1].close()

    async def _response(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection stays open."""
        writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"\r\ncontent-length:")[1].split()[0])
        is_new = head.startswith(b"http/1.1") and b"connection: close" not in head
        return int(head.split()[1]), await reader.readexactly(length), is_new

    async def _send_slowly(self) -> None:
        """Begin requests and never finish one."""
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(_HOST, self.load.port)
                writer.write(f"{self._head}Content-Length: {_SLOW_BODY}\r\n\r\n".encode())
                while not writer.is_closing():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(1)
            await asyncio.sleep(1)

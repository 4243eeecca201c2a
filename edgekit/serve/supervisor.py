"""Several processes that serve one port: started, started again when they end, and ended together."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from types import FrameType

from edgekit.errors import EdgekitError
from edgekit.serve.logs import log

EXIT_INTERRUPTED = 130
_STEADY_S = 5.0  # a process that ends sooner after it was ready counts as one that cannot run
_MAX_DEATHS = 5
_FIRST_DELAY_S, _MAX_DELAY_S = 0.5, 10.0
_KILL_S = 2.0  # after the grace time


class WorkerLink:
    """What a process has of its supervisor.

    Args:
        pipe: to report on.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def report_ready(self, models: tuple[str, ...]) -> None:
        """The process serves these models."""
        self._pipe.send(models)

    def report_failure(self, error: EdgekitError) -> None:
        """The process cannot start."""
        with suppress(OSError):
            self._pipe.send(error)

    def call_if_orphaned(self, function: Callable[[], None]) -> None:
        """Call the function in the running event loop when the supervisor has ended without ending this process."""
        parent = multiprocessing.parent_process()
        loop = asyncio.get_running_loop()
        if parent is not None:

            def end() -> None:
                loop.remove_reader(parent.sentinel)
                function()

            loop.add_reader(parent.sentinel, end)


@dataclass
class _Worker:
    """One of the processes, and those that had its place before.

    deaths: how many of them ended in a row, each soon after its start.
    """

    number: int
    process: ForkProcess | None = None
    pipe: Pipe | None = None
    ready_at: float | None = None
    deaths: int = 0
    start_at: float = 0.0

    @property
    def is_steady(self) -> bool:
        return self.process is not None and self.ready_at is not None and _since(self.ready_at) > _STEADY_S


class Supervisor:
    """Runs a function in several processes at a time.

    The processes are forked from this one, which has no threads and loads no models.

    Args:
        run: called in each process with its number, from 0, and its link to this one.
        workers: number of processes.
        grace_s: seconds that they have to end.
    """

    def __init__(self, run: Callable[[int, WorkerLink], None], *, workers: int, grace_s: float) -> None:
        self._run, self._grace_s = run, grace_s
        self._workers = [_Worker(number) for number in range(workers)]
        self._context = multiprocessing.get_context("fork")
        self._is_ready = False
        self._interrupts = self._ends = 0

    def run(self, *, on_ready: Callable[[tuple[str, ...]], None], on_end: Callable[[], None]) -> None:
        """Run the processes until SIGTERM or SIGINT.

        Args:
            on_ready: called once, when every process serves its models, with their names.
            on_end: called before the processes are asked to end.

        Raises:
            EdgekitError: a process could not start, or the processes ended again and again.
            SystemExit: requests were cut off (status 1), or by a second SIGINT (status 130).
        """
        with self._signals_handled() as wakeup:
            try:
                while not self._ends:
                    self._start_those_due()
                    self._wait([wakeup])
                    self._receive(on_ready)
                    self._bury()
                on_end()
                self._end(wakeup)
            finally:
                for worker in self._workers:
                    if worker.process is not None:
                        worker.process.kill()
                        worker.process.join()

    def _start_those_due(self) -> None:
        for worker in self._workers:
            if worker.process is None and worker.start_at <= time.monotonic():
                worker.pipe, child_end = self._context.Pipe(duplex=False)
                worker.process = self._context.Process(target=self._in_child, args=(worker.number, child_end))
                worker.process.start()
                child_end.close()
                worker.ready_at = None

    def _in_child(self, number: int, pipe: Pipe) -> None:
        """What a process does."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        link = WorkerLink(pipe)
        try:
            self._run(number, link)
        except EdgekitError as error:
            link.report_failure(error)
            sys.exit(error.exit_code)

    def _wait(self, others: list[socket.socket]) -> None:
        """Wait until a process ends or reports, a signal arrives, or a process is due to be started."""
        pipes = [worker.pipe for worker in self._workers if worker.pipe is not None]
        ends = [worker.process.sentinel for worker in self._workers if worker.process is not None]
        due = [worker.start_at for worker in self._workers if worker.process is None]
        timeout_s = max(0.0, min(due) - time.monotonic()) if due else None
        wait([*pipes, *ends, *others], timeout_s)

    def _receive(self, on_ready: Callable[[tuple[str, ...]], None]) -> None:
        """Take what the processes report: once they are ready, or cannot start."""
        for worker in self._workers:
            if worker.pipe is not None and worker.pipe.poll():
                try:
                    report = worker.pipe.recv()
                except EOFError:
                    report = None  # it has ended
                worker.pipe.close()
                worker.pipe = None
                if isinstance(report, EdgekitError):
                    if not self._is_ready:
                        raise report
                    log(logging.ERROR, "worker_failed", f"a process could not start: {report}")
                elif report is not None:
                    worker.ready_at = time.monotonic()
                    if not self._is_ready and all(one.ready_at is not None for one in self._workers):
                        self._is_ready = True
                        on_ready(report)

    def _bury(self) -> None:
        """Plan a new process for each that has ended. Raises EdgekitError if that goes on and none is steady."""
        for worker in self._workers:
            process = worker.process
            if process is None or process.is_alive():
                continue
            how = _how_it_ended(process.exitcode)
            worker.deaths = 1 if worker.is_steady else worker.deaths + 1
            worker.process = None
            if worker.deaths >= _MAX_DEATHS and not any(one.is_steady for one in self._workers):
                raise EdgekitError(
                    f"the server's processes end soon after their start ({how}, {worker.deaths} times in a row)"
                )
            delay_s = 0.0 if worker.deaths == 1 else min(_MAX_DELAY_S, _FIRST_DELAY_S * 2 ** (worker.deaths - 2))
            worker.start_at = time.monotonic() + delay_s
            log(
                logging.WARNING,
                "worker_ended",
                f"process {process.pid} ended ({how}); a new one starts {f'in {delay_s:g} s' if delay_s else 'now'}",
                fields={"pid": process.pid, "exit": process.exitcode, "delay_s": delay_s},
            )

    def _end(self, wakeup: socket.socket) -> None:
        """Let the processes finish their requests."""
        processes = [worker.process for worker in self._workers if worker.process is not None]
        for process in processes:
            process.terminate()
        until = time.monotonic() + self._grace_s + _KILL_S
        # Asked once in each turn: one that ends between two questions would be waited for by nobody.
        while (alive := [process for process in processes if process.is_alive()]) and time.monotonic() < until:
            if self._interrupts > 1:
                sys.exit(EXIT_INTERRUPTED)
            wait([wakeup, *(process.sentinel for process in alive)], until - time.monotonic())
            with suppress(BlockingIOError):
                wakeup.recv(64)
        # A process that was still loading its models has no requests: SIGTERM has ended it.
        if any(process.exitcode not in (0, -signal.SIGTERM) for process in processes):
            sys.exit(EdgekitError.exit_code)

    @contextmanager
    def _signals_handled(self) -> Iterator[socket.socket]:
        """Count SIGTERM and SIGINT; yield a socket that becomes readable when one arrives."""

        def handle(number: int, frame: FrameType | None) -> None:
            self._ends += 1
            self._interrupts += number == signal.SIGINT

        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        numbers = (signal.SIGTERM, signal.SIGINT)
        previous = [signal.signal(number, handle) for number in numbers]
        previous_fd = signal.set_wakeup_fd(writing.fileno())
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(previous_fd)
            for number, handler in zip(numbers, previous, strict=True):
                signal.signal(number, handler)
            reading.close()
            writing.close()


def _since(moment: float) -> float:
    return time.monotonic() - moment


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit status {exit_code}"

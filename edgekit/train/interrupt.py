"""What ends a training run early: Ctrl-C, which lets the current step finish, and failures of torch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from edgekit.errors import EdgekitError

# Parts of torch's messages, and what to do. A worker that is named by its pid has died. An error that a living worker
# raised reads "Caught ... in DataLoader worker process 0.", followed by its cause.
_ADVICE = {
    "DataLoader worker (": "a process that prepares images died, often for lack of memory; use fewer `workers`",
    "out of memory": "not enough memory; use a smaller `batch_size` or `crop`",
    "can't allocate memory": "not enough memory; use a smaller `batch_size` or `crop`",
}


@contextmanager
def stop_requests(on_request: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request to stop; the second one interrupts at once.

    Worker processes that are started meanwhile inherit the handler, so they survive a Ctrl-C that the terminal sends to
    the whole process group. Outside the main thread, which alone receives signals, nothing is ever requested.

    Args:
        on_request: called in this process, in the signal handler, at the first Ctrl-C.

    Yields:
        A function that returns whether Ctrl-C has been pressed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    requested, owner = False, os.getpid()

    def request(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        if os.getpid() == owner:
            on_request()

    previous_handler = signal.signal(signal.SIGINT, request)
    try:
        yield lambda: requested
    finally:
        signal.signal(signal.SIGINT, previous_handler)


@contextmanager
def torch_failures_explained() -> Iterator[None]:
    """Replace torch's error by one line with advice if a worker died or memory ran out.

    The whole run goes inside, because a dead worker is noticed in the middle of whatever runs at that moment.

    Raises:
        EdgekitError: a worker died or memory ran out.
    """
    try:
        yield
    except RuntimeError as error:
        message = str(error).partition("\n")[0]
        advice = next((advice for fragment, advice in _ADVICE.items() if fragment in message), None)
        if advice is None:
            raise
        raise EdgekitError(f"{advice} ({message})") from None

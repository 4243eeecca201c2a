"""What ends a training early: Ctrl-C, which lets the current step finish, and failures that one line explains."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from edgekit.errors import EdgekitError

# How torch's messages begin or what they contain, and what to do. A worker named by its pid is dead; what a living
# one has raised is "Caught ... in DataLoader worker process 0.", and its cause is in the lines below.
_ADVICE = {
    "DataLoader worker (": "a process that prepares images died, often for want of memory; fewer workers take less",
    "out of memory": "a smaller batch_size or crop takes less memory",
    "can't allocate memory": "a smaller batch_size or crop takes less memory",
}


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """A function that returns whether Ctrl-C was pressed since; pressed again, it interrupts at once.

    Worker processes started meanwhile inherit the handler and so survive a Ctrl-C that the terminal sends to all.
    """
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield lambda: False
        return
    requested = False

    def request(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    previous_handler = signal.signal(signal.SIGINT, request)
    try:
        yield lambda: requested
    finally:
        signal.signal(signal.SIGINT, previous_handler)


@contextmanager
def torch_failures_explained() -> Iterator[None]:
    """Raises EdgekitError with advice, in one line, if a worker died or memory ran out.

    A dead worker is noticed in the middle of whatever the training does, so this goes around all of it.
    """
    try:
        yield
    except RuntimeError as error:
        message = str(error).partition("\n")[0]
        advice = next((advice for fragment, advice in _ADVICE.items() if fragment in message), None)
        if advice is None:
            raise
        raise EdgekitError(f"{advice} ({message})") from None

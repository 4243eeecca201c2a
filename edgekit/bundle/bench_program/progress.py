"""What the program shows while it measures: lines, and how far it is."""

from __future__ import annotations

import time
from typing import TextIO


class Progress:
    """Lines on a stream, and one that is overwritten if the stream is a terminal.

    Without a terminal, how far it is becomes a line of its own at every tenth.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._overwrites = stream.isatty()
        self._what, self._total, self._done, self._start = "", 1, 0, 0.0

    def line(self, text: str) -> None:
        """Write a line."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def begin(self, what: str, total: int) -> None:
        """Begin something of `total` steps."""
        self._what, self._total, self._done, self._start = what, max(total, 1), 0, time.monotonic()
        if not self._overwrites:
            self.line(f"{what} ...")

    def step(self) -> None:
        """Report that one more step is done."""
        self._done += 1
        share = self._done / self._total
        left = (time.monotonic() - self._start) * (1 - share) / share
        text = f"{self._what}: {share:4.0%}, {left:.0f} s left"
        if self._overwrites:
            self._stream.write(f"\r{text}\x1b[K" + "\n" * (self._done == self._total))
            self._stream.flush()
        elif self._done * 10 // self._total > (self._done - 1) * 10 // self._total and left >= 1:
            self.line(text)

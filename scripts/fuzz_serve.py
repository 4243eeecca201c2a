"""Fuzz `edgekit serve`: mutated requests over raw sockets, against a real server.

    python scripts/fuzz_serve.py [--count 10000] [--seed 0]

Requests are truncated, repeated, filled with garbage, and break the rules of HTTP, of forms, of JSON and of the Open
Inference Protocol. Findings are: a status of 5xx other than 501 (an unknown transfer coding), 503 and 504; an error
that is not one line of JSON; a server that ends, writes a traceback, predicts another class or grows by more than 64
MB. The server is examined after every 25th case, so such a finding is of one of the last 25. Every 1000 cases, its
memory is printed.
"""

from __future__ import annotations

import json
import random
import socket
import time
from pathlib import Path
from typing import Any

from broken_requests import IMAGE, KINDS
from fuzzing import Limits, Trial, main
from made_models import model_with_maps, write_tiny  # of the tests, where broken_requests looks
from server_process import ServerProcess, edgekit_server

EXPECTED = (501, 503, 504)  # an unknown transfer coding, busy, deadline
EXAMINE_EVERY, REPORT_EVERY, MAX_GROWTH_MB = 25, 1000, 64.0
WAIT_S, IDLE_S = 0.5, 0.02  # for a response that may not come; for more after one


def prepare(folder: Path) -> Trial:
    return Fuzzer(write_tiny(folder / "tiny.onnx", model_with_maps())).trial


class Fuzzer:
    """A server, and the cases that were tried on it."""

    def __init__(self, model: Path) -> None:
        self.server: ServerProcess = edgekit_server(model)
        self._cases, self._read = 0, 0  # characters of the log that were examined
        self._expected, self._first_mb = self._prediction(), 0.0

    def trial(self, rng: random.Random) -> None:
        """Send what one case makes, check what comes back and, from time to time, the server."""
        self._cases += 1
        data = rng.choice(KINDS)(rng)
        received = self._sent(data, pieces=rng.choice((1, 1, 1, 2, 5)), rng=rng)
        for status, body in responses(received):
            if status >= 500 and status not in EXPECTED:
                raise AssertionError(f"status {status}: {body[:300]!r} for {data[:300]!r}")
            if status >= 400:
                check_error(status, body)
        if self._cases % EXAMINE_EVERY == 0:
            self.examine()

    def examine(self) -> None:
        """Whether the server is as well as before."""
        if not self.server.is_alive:
            raise AssertionError(f"the server has ended: {self.server.log()[-500:]}")
        log, self._read = self.server.log()[self._read :], len(self.server.log())
        if "Traceback" in log:
            raise AssertionError(f"the log has a traceback: {log[-1000:]}")
        if self._prediction() != self._expected:
            raise AssertionError("the prediction of the same image has changed")
        memory = self.server.megabytes
        if self._cases <= REPORT_EVERY // 2:
            self._first_mb = memory  # until every path was taken, it grows
        if memory > self._first_mb + MAX_GROWTH_MB:
            raise AssertionError(f"memory has grown from {self._first_mb:.0f} to {memory:.0f} MB")
        if self._cases % REPORT_EVERY == 0:
            print(f"{self._cases} cases: {memory:.1f} MB, after the first {self._first_mb:.1f} MB", flush=True)

    def _prediction(self) -> Any:
        status, body = self.server.request("POST", "/predict", IMAGE)
        if status != 200:
            raise AssertionError(f"a valid request gets status {status}: {body[:300]!r}")
        return json.loads(body)

    def _sent(self, data: bytes, *, pieces: int, rng: random.Random) -> bytes:
        """Send the bytes in pieces; what the server sends until it is silent."""
        received = b""
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(pieces - 1))
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            try:
                for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
                    connection.sendall(data[start:end])
                    if pieces > 1:
                        time.sleep(0.001)
                connection.settimeout(WAIT_S if rng.random() < 0.5 else IDLE_S)  # or leave before the response
                while piece := connection.recv(65536):
                    received += piece
                    connection.settimeout(IDLE_S if responses(received) else WAIT_S)
            except (TimeoutError, ConnectionError, BrokenPipeError):
                pass
        return received


def responses(data: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each whole response. Raises AssertionError if they are not HTTP."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1."):
            raise AssertionError(f"not a response: {head[:300]!r}")
        status, lines = int(head.split()[1]), head.lower().split(b"\r\n")
        lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
        length = lengths[0] if lengths and not rest.startswith(b"HTTP/1.") else 0  # that of HEAD has no body
        if len(rest) < length:
            break
        if status >= 200:
            found.append((status, rest[:length]))
        data = rest[length:]
    return found


def check_error(status: int, body: bytes) -> None:
    """Raises AssertionError for an error that is not one line of JSON; those of HEAD have no body."""
    if body and (b"\n" in body.removesuffix(b"\n") or list(json.loads(body)) != ["error"]):
        raise AssertionError(f"status {status} with the body {body[:300]!r}")


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=10_000, limits=Limits(seconds=90))

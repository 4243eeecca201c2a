"""Measure `edgekit serve` under load on this machine, beside other ways to serve the same model.

    python scripts/bench_serve.py [MODEL] [--photos FOLDER] [--seconds 60] [--peers FOLDER] [--json FILE]

MODEL is a file or the name of a model (the default model by default). The client is a process of its own and sends the
64 photographs of FOLDER whose files are closest to 100 kB. It compares every response with what `Classifier.predict`
returns. Rows:

    capacity        as many requests as the server manages, one image each, for a sixth of the seconds
    overload        requests at twice that rate, for all of the seconds: those beyond the queue get 503
    16 images       requests of 16 images, for a sixth
    slow clients    as `capacity`, alone and beside 200 clients that send one byte per second, a sixth each
    stdlib server   as `capacity`: examples/web_handler.py
    LitServe        as `capacity`, with --peers, whose FOLDER gets an environment with LitServe

CPU time is that of the server's processes (utime + stime in /proc) per image, and its ratio to that of
`Classifier.predict_many` on the same bytes, measured before and after. Prints a Markdown table and writes the figures
to --json. Exits with status 1 if a response of edgekit is wrong, lost, or neither 200 nor 503, if its memory has grown
by more than 5 MB since 1,000 predictions on all connections, or if it does not end with status 0 on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from load_client import Exchange, Load, Outcome, run_load
from peers.environments import InstallError, environment_python
from server_process import ROOT, ServerProcess, edgekit_server

from edgekit import Classifier
from edgekit.hub.model_files import default_model, model_path
from edgekit.runtime.cpu import available_threads, machine

PHOTOS, PHOTO_BYTES, IMAGES_PER_REQUEST = 64, 100_000, 16
WARM_UP, SLOW_CLIENTS, MAX_GROWTH_MB = 1000, 200, 5.0
CONNECTIONS_PER_CORE, MOST_CONNECTIONS = 4, 256
TOP = 5
BOUNDARY = "0123456789abcdef0123456789abcdef"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))


class Bench:
    """The photographs, what is expected of them, and the rows of the table."""

    def __init__(self, model: str, photos: list[bytes], seconds: float) -> None:
        self.model, self.photos, self.seconds = model, photos, seconds
        self.rows: dict[str, dict[str, Any]] = {}
        with Classifier(model, threads=1) as classifier:
            self.expected = [classifier.predict(photo, top=TOP).to_dict()["top"] for photo in photos]
        self.single = [Exchange(photo, [expected]) for photo, expected in zip(photos, self.expected, strict=True)]
        self.many = [
            Exchange(form(photos[part]), self.expected[part])
            for start in range(0, len(photos), IMAGES_PER_REQUEST)
            for part in (slice(start, start + IMAGES_PER_REQUEST),)
        ]

    @property
    def turn_s(self) -> float:
        """Seconds of a row that is not the overload."""
        return self.seconds / 6

    def run(self, peers: Path | None) -> None:
        """Measure every row."""
        self._library("predict_many, before")
        self._edgekit()
        self._library("predict_many, after")
        stdlib = [sys.executable, ROOT / "examples" / "web_handler.py", "{port}", self.model]
        self._peer("stdlib server", stdlib, ready=None)
        if peers is not None:
            try:
                python = environment_python("litserve", peers.absolute() / "environments" / "litserve")
            except InstallError as error:
                print(f"LitServe is not installed: {error}", file=sys.stderr)
            else:
                script = ROOT / "scripts" / "peers" / "serve_with_litserve.py"
                command = [python, script, "{port}", self.model, available_threads()]
                self._peer(
                    "LitServe", command, ready="/health", content_type=f"multipart/form-data; boundary={BOUNDARY}"
                )

    def _edgekit(self) -> None:
        with edgekit_server(self.model) as server:
            self._send(server, self.single, requests=WARM_UP, connections=MOST_CONNECTIONS)
            first_mb = server.megabytes
            capacity = self._measure("capacity", server, self.single)
            rate = 2 * capacity.statuses[200] / capacity.seconds
            self._measure(
                "overload", server, self.single, rate=rate, seconds=self.seconds, connections=MOST_CONNECTIONS
            )
            self._measure("16 images", server, self.many, images=IMAGES_PER_REQUEST)
            self._measure("no slow clients", server, self.single)
            self._measure("slow clients", server, self.single, slow=SLOW_CLIENTS)
            time.sleep(2)  # the slow clients have left
            self._send(server, self.single, requests=WARM_UP, connections=MOST_CONNECTIONS)
            self.memory = {"after_warm_up_mb": first_mb, "at_the_end_mb": server.megabytes}
            self.exit_status = server.close()

    def _peer(self, name: str, command: list[object], *, ready: str | None, content_type: str = "image/jpeg") -> None:
        exchanges = [
            Exchange(form([sent.body]), sent.expected) if content_type == FORM else sent for sent in self.single
        ]
        with ServerProcess(command, ready=ready) as server:
            self._send(server, exchanges, requests=WARM_UP // 5, path="/predict", content_type=content_type)
            self._measure(name, server, exchanges, path="/predict", content_type=content_type)

    def _measure(
        self, name: str, server: ServerProcess, exchanges: list[Exchange], *, images: int = 1, **changes: Any
    ) -> Outcome:
        if images > 1:
            changes["content_type"] = FORM
        before = server.cpu_s
        outcome = run_load(self._load(server, exchanges, **changes))
        done = max(1, outcome.statuses[200] * images)
        cpu_ms = (server.cpu_s - before) * 1e3 / done
        self.rows[name] = {**outcome.figures(images), "cpu_ms_per_image": cpu_ms, "mb": server.megabytes}
        print(name, json.dumps(self.rows[name]), file=sys.stderr, flush=True)
        return outcome

    def _send(self, server: ServerProcess, exchanges: list[Exchange], *, requests: int, **changes: Any) -> None:
        """Send about this many requests, for which no figures are reported."""
        done = 0
        while done < requests:
            done += run_load(self._load(server, exchanges, seconds=1.0, **changes)).statuses[200]

    def _load(self, server: ServerProcess, exchanges: list[Exchange], **changes: Any) -> Load:
        defaults: dict[str, Any] = {
            "path": f"/predict?top={TOP}",
            "content_type": "image/jpeg",
            "seconds": self.turn_s,
            "connections": CONNECTIONS_PER_CORE * available_threads(),
        }
        return Load(port=server.port, exchanges=exchanges, **(defaults | changes))

    def _library(self, name: str) -> None:
        """What `predict_many` takes, in a process of its own."""
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            self.rows[name] = pool.submit(predict_many, self.model, self.photos, self.turn_s).result()
        print(name, json.dumps(self.rows[name]), file=sys.stderr, flush=True)

    def add_ratios(self) -> None:
        """CPU time per image relative to that of the library, whose two rows are averaged."""
        own = [row["cpu_ms_per_image"] for name, row in self.rows.items() if name.startswith("predict_many")]
        for row in self.rows.values():
            row["cpu_ratio"] = row["cpu_ms_per_image"] / (sum(own) / len(own))

    def problems(self) -> Iterator[str]:
        """What must not happen to edgekit's server."""
        for name in ("capacity", "overload", "16 images", "no slow clients", "slow clients"):
            row = self.rows[name]
            others = {status: count for status, count in row["statuses"].items() if status not in ("200", "503")}
            if row["wrong"] or row["lost"] or others:
                yield f"{name}: {row['wrong']} wrong, {row['lost']} lost, {others or 'no other statuses'}"
        growth = self.memory["at_the_end_mb"] - self.memory["after_warm_up_mb"]
        if growth > MAX_GROWTH_MB:
            yield f"memory grew by {growth:.1f} MB"
        if self.exit_status != "0":
            yield f"SIGTERM: exit status {self.exit_status}"


def predict_many(model: str, photos: list[bytes], seconds: float) -> dict[str, Any]:
    """Images per second and CPU time per image of the library."""
    with Classifier(model, threads=1) as classifier:
        list(classifier.predict_many(photos))
        images, begin, cpu_begin = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - begin < seconds:
            images += sum(1 for _ in classifier.predict_many(photos, workers=available_threads()))
        spent, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
    return {"images_per_s": images / spent, "cpu_ms_per_image": cpu * 1e3 / images}


def form(photos: list[bytes]) -> bytes:
    """A multipart form of several files."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n\r\n'.encode()
    return b"".join(head + photo + b"\r\n" for photo in photos) + f"--{BOUNDARY}--\r\n".encode()


def read_photos(folder: Path) -> list[bytes]:
    """The photographs whose files are closest to 100 kB."""
    files = sorted(folder.iterdir(), key=lambda file: (abs(file.stat().st_size - PHOTO_BYTES), file.name))
    return [file.read_bytes() for file in files[:PHOTOS]]


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    """The table."""

    def shown(row: dict[str, Any], key: str, places: int) -> str:
        return "" if row.get(key) is None else f"{row[key]:.{places}f}"

    columns = {"images_per_s": 0, "p50_ms": 1, "p99_ms": 1, "cpu_ms_per_image": 2, "cpu_ratio": 3, "mb": 1}
    lines = [f"| row | {' | '.join(columns)} | statuses | wrong | lost |", f"|---|{'---|' * (len(columns) + 3)}"]
    for name, row in rows.items():
        figures = " | ".join(shown(row, key, places) for key, places in columns.items())
        statuses = ", ".join(f"{status}: {count}" for status, count in row.get("statuses", {}).items())
        lines.append(f"| {name} | {figures} | {statuses} | {row.get('wrong', '')} | {row.get('lost', '')} |")
    return "\n".join(lines) + "\n"


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """The wall-clock seconds of a block."""
    result, begin = {}, time.perf_counter()
    yield result
    result["total_s"] = time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=default_model())
    parser.add_argument("--photos", type=Path, default=SHARED / "data" / "imagenet-photos" / "images")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--peers", type=Path, help="folder for environments of other servers")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bench = Bench(str(model_path(options.model)), read_photos(options.photos), options.seconds)
    with timed() as total:
        bench.run(options.peers)
    bench.add_ratios()
    problems = list(bench.problems())
    report = {"model": options.model, "machine": machine(), **total, "memory": bench.memory, "rows": bench.rows}
    print(f"{options.model} on {report['machine']}\n\n{markdown(bench.rows)}\nmemory: {bench.memory}")
    if options.json:
        options.json.write_text(json.dumps({**report, "problems": problems}, indent=2) + "\n")
    print(*problems, sep="\n")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

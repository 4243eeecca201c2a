"""Measure bulk prediction on this machine: engines in turn, beside a bare loop over `predict_many`; and kill them.

    python scripts/bench_bulk.py [MODEL] [--images 10000 100000] [--engine local daft ray] [--files]
        [--photos FOLDER] [--work FOLDER] [--json FILE] [--kill 10] [--seed 0]

Run it with the Python of an environment in which edgekit and the engines are installed. MODEL is a file or the name of
a model (the default model by default). The images are the photographs of FOLDER, repeated, in tar shards of 1,000: as
many hard links to one shard as are needed; with --files, hard links to the photographs, 1,000 in a folder.

For each number of images and each engine, `edgekit predict SOURCE --engine NAME --output FOLDER` runs in processes of
its own; the loop reads the same shards and throws the predictions away. Prints a Markdown table: images per second and
their ratio to the loop, CPU seconds per image of all processes, and the peak memory of all processes together. Rows
that --json already has are not measured again, so an interrupted run continues.

With --kill N, each engine predicts the first number of images N times for each victim, which is killed (SIGKILL) at a
random moment: the driver, after which the same command runs again; and a worker, if the engine has processes of
its own. The output must then have every image once, predicted as a single process does.

Exits with status 1 if an output lacks an image, has one twice, or has another prediction.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measured_process import command_line, descendants, kill, measure

from edgekit import Classifier
from edgekit.hub.model_files import default_model, model_path
from edgekit.runtime.cpu import available_threads, machine
from edgekit.shards import find_shards

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))
PER_SHARD = 1000
LOOP, LOCAL = "predict_many loop", "local"
# What the command lines of the processes of an engine that predict contain; Daft predicts in threads of the driver.
WORKERS = {"ray": "ray::predict_shard"}
LOOP_PROGRAM = """
import sys
from pathlib import Path
from edgekit import Classifier
from edgekit.runtime.image_sources import find_images
from edgekit.shards import find_shards

model, source = sys.argv[1:]
if any(Path(source).glob("*.tar")):
    images = (record.image for shard in find_shards(source) for record in shard.read())
else:
    images = (image.source for image in find_images([source]))
with Classifier(model, threads=1) as classifier:
    print(sum(1 for _ in classifier.predict_many(images, top=1)))
"""


class Bench:
    """The images, the rows of the table, and what is expected of every image."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.model, self.work, self.json = str(model_path(options.model)), options.work, options.json
        self.photos = sorted(path for path in options.photos.iterdir() if path.is_file())
        self.are_files = options.files
        settings = [hashlib.sha256(Path(self.model).read_bytes()).hexdigest(), len(self.photos), self.are_files]
        self.settings = [*settings, available_threads()]
        self.rows: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        if self.json and self.json.is_file():
            report = json.loads(self.json.read_text())
            self.rows = report["rows"] if report["settings"] == self.settings else {}

    def source(self, images: int) -> Path:
        """The folder with this number of images; made if it is missing."""
        folder = self.work / f"{'files' if self.are_files else 'shards'}-{images}"
        if folder.is_dir():
            return folder
        temporary = folder.with_suffix(".tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        if self.are_files:
            self._link_photos(temporary, images)
        else:
            first = self._first_shard(temporary)
            for number in range(images // PER_SHARD):
                os.link(first, temporary / f"photos-{number:05}.tar")
            first.unlink()
        temporary.rename(folder)
        return folder

    def measure(self, name: str, images: int) -> None:
        """A row of the table."""
        key = f"{name}, {images}"
        if key in self.rows:
            return
        source = self.source(images)
        if name == LOOP:
            measured = measure([sys.executable, "-c", LOOP_PROGRAM, self.model, source], folder=self.work)
            count = int(measured.output.split()[-1]) if measured.status == 0 else 0
        else:
            output = self.work / f"{name}.parquet"
            shutil.rmtree(output, ignore_errors=True)
            measured = measure(self._command(name, source, output), folder=self.work)
            count = sum(self.counted(output).values())
        if measured.status or count != images:
            self.problems.append(f"{key}: status {measured.status}, {count} images: {measured.output[-500:]}")
        self.rows[key] = {"engine": name, "images": images, **measured._asdict()}
        self.rows[key] |= {"images_per_s": images / measured.wall_s, "cpu_ms_per_image": 1e3 * measured.cpu_s / images}
        print(key, json.dumps(self.rows[key]), file=sys.stderr, flush=True)
        self.save()

    def kill_and_resume(self, name: str, images: int, rng: random.Random) -> None:
        """Kill the driver or a worker at a random moment, finish the job, and compare."""
        source, output = self.source(images), self.work / f"{name}-killed.parquet"
        usual = next((row["wall_s"] for row in self.rows.values() if row["engine"] == name), images / 100)
        for victim in ("driver", *(("worker",) if name in WORKERS else ())):
            shutil.rmtree(output, ignore_errors=True)
            killer = Killer(rng.uniform(0.1, 0.9) * usual, victim, name)
            first = measure(self._command(name, source, output), folder=self.work, watch=killer)
            finished = len(list(output.glob("part-*"))) if output.is_dir() else 0
            second = measure(self._command(name, source, output), folder=self.work)
            problems = list(self.differences(output, source))
            if second.status:
                problems.append(f"the second run ended with status {second.status}: {second.output[-500:]}")
            print(
                f"{name}, {victim}: {killer.outcome}, then status {first.status} and {finished} parts; second run "
                f"{second.wall_s:.0f} s; {'; '.join(problems) or 'every image once, as predicted by one process'}",
                flush=True,
            )
            self.problems += [f"{name}, {victim} killed: {problem}" for problem in problems]

    def counted(self, output: Path) -> Counter[tuple[str, str]]:
        """How often the parts have each image."""
        import pyarrow.parquet as parquet

        counts: Counter[tuple[str, str]] = Counter()
        for part in sorted(output.glob("part-*")):
            table = parquet.read_table(part, columns=["shard", "path"])
            counts.update(zip(table["shard"].to_pylist(), table["path"].to_pylist(), strict=True))
        return counts

    def differences(self, output: Path, source: Path) -> Iterator[str]:
        """What is wrong with the parts."""
        import pyarrow.parquet as parquet

        expected = self._expected()
        wrong = 0
        for part in sorted(output.glob("part-*")):
            for row in parquet.read_table(part, columns=["path", "label", "probability"]).to_pylist():
                wrong += (row["label"], row["probability"]) != expected[self._number(row["path"])]
        if wrong:
            yield f"{wrong} images are predicted otherwise"
        counts, wanted = self.counted(output), self._names(source)
        for verb, others in (("missing", wanted - set(counts)), ("unknown", set(counts) - wanted)):
            if others:
                yield f"{len(others)} images are {verb}, such as {min(others)}"
        twice = [image for image, count in counts.items() if count > 1]
        if twice:
            yield f"{len(twice)} images are there more than once, such as {min(twice)}"

    def save(self) -> None:
        """Write what was measured so far."""
        if self.json:
            report = {"settings": self.settings, "model": self.model, "machine": machine(), "rows": self.rows}
            self.json.write_text(json.dumps(report, indent=2) + "\n")

    def markdown(self) -> str:
        """The table."""
        lines = ["| engine | images | images/s | of the loop | CPU ms/image | peak MB |", "|---|---|---|---|---|---|"]
        for row in self.rows.values():
            loop = self.rows.get(f"{LOOP}, {row['images']}")
            ratio = f"{100 * row['images_per_s'] / loop['images_per_s']:.1f}%" if loop else ""
            lines.append(
                f"| {row['engine']} | {row['images']:,} | {row['images_per_s']:.1f} | {ratio} | "
                f"{row['cpu_ms_per_image']:.2f} | {row['peak_mb']:.0f} |"
            )
        return "\n".join(lines)

    def _command(self, name: str, source: Path, output: Path) -> list[object]:
        command = [sys.executable, "-m", "edgekit", "predict", source, "--model", self.model, "--output", output]
        return [*command, "--engine", name]

    def _photo(self, number: int) -> Path:
        return self.photos[number % len(self.photos)]

    def _link_photos(self, folder: Path, images: int) -> None:
        copies = self.work / "photos"  # links do not reach from one disk to another
        copies.mkdir(exist_ok=True)
        for number in range(images):
            path, copy = folder / f"{number // PER_SHARD:05}/{number:07}.jpg", copies / self._photo(number).name
            if not copy.exists():
                shutil.copyfile(self._photo(number), copy)
            path.parent.mkdir(exist_ok=True)
            os.link(copy, path)

    def _first_shard(self, folder: Path) -> Path:
        path = folder / "first"
        with tarfile.open(path, "w") as tar:
            for number in range(PER_SHARD):
                tar.add(self._photo(number), arcname=f"{number:07}.jpg")
        return path

    def _number(self, path: str) -> int:
        return int(Path(path).stem) % (len(self.photos) if self.are_files else PER_SHARD)

    def _names(self, source: Path) -> set[tuple[str | None, str]]:
        """What the parts must have."""
        if self.are_files:
            return {(None, str(path)) for path in source.rglob("*.jpg")}
        keys = [f"{number:07}" for number in range(PER_SHARD)]
        return {(shard.path, key) for shard in find_shards(str(source)) for key in keys}

    def _expected(self) -> list[tuple[str, float]]:
        """The predictions of a single process for the photographs, or the images of the first shard."""
        count = len(self.photos) if self.are_files else PER_SHARD
        with Classifier(self.model, threads=1) as classifier:
            unique = list(classifier.predict_many(self.photos, top=1, on_error="raise"))
        return [(unique[n % len(unique)].label, unique[n % len(unique)].probability) for n in range(count)]


class Killer:
    """Kills a process of a command some seconds after its start.

    Args:
        after_s: the seconds.
        victim: "driver", with all that it has started, or "worker".
        engine: whose worker it is.
    """

    def __init__(self, after_s: float, victim: str, engine: str) -> None:
        self._after_s, self._victim, self._engine = after_s, victim, engine
        self._begin = time.monotonic()
        self.outcome = "it ended before it was killed"
        self._is_done = False

    def __call__(self, pid: int) -> None:
        """Kill if it is time; a worker only while there is one."""
        if self._is_done or time.monotonic() - self._begin < self._after_s:
            return
        if self._victim == "driver":
            victims = [pid]
        else:
            workers = [other for other in descendants(pid) if WORKERS[self._engine] in command_line(other)]
            victims = workers[:1]
        for victim in victims:
            self.outcome = f"killed after {time.monotonic() - self._begin:.1f} s: {command_line(victim)[:60].strip()}"
            kill(victim)
            self._is_done = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=default_model())
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000], help="multiples of 1,000")
    parser.add_argument("--engine", nargs="+", default=[LOCAL])
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--photos", type=Path, default=SHARED / "data" / "imagenet-photos" / "images")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bench_bulk")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--kill", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if any(images % PER_SHARD or images < PER_SHARD for images in options.images):
        parser.error(f"--images must be multiples of {PER_SHARD}")
    options.work = options.work.absolute()
    options.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    for images in options.images:
        for name in (LOOP, *options.engine):
            bench.measure(name, images)
    rng = random.Random(options.seed)
    for _ in range(options.kill):
        for name in options.engine:
            bench.kill_and_resume(name, options.images[0], rng)
    print(f"{options.model} on {machine()}\n\n{bench.markdown()}")
    print(*bench.problems, sep="\n")
    sys.exit(1 if bench.problems else 0)


if __name__ == "__main__":
    main()

"""Check bulk prediction on a Ray cluster of two nodes on this machine, one of which dies.

    python scripts/check_ray_cluster.py [MODEL] [--images 2000] [--photos FOLDER] [--work FOLDER] [--namespaces]

Run it with the Python of an environment in which edgekit, Ray and Daft are installed. Two nodes of two CPUs each are
started (`ray start`), with --namespaces each in a network namespace of its own (Linux, as root). For each of `edgekit
predict --engine ray`, `--engine daft` and a Ray Data pipeline of `edgekit.engines.ray.Predictor`, the second node is
killed (SIGKILL to all its processes) when a quarter of the images is predicted, and started again for the next one.

Exits with status 1 unless both nodes had a worker before, and the output has every image once, predicted as a single
process does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgekit import Classifier
from edgekit.hub.model_files import default_model, model_path

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))
PORT, WAIT_S = 6390, 120
PER_SHARD = 100
# What the command lines of the workers of each engine contain.
WORKERS = {"ray": "ray::predict_shard", "daft": "UDFProject", "ray data": "ray::MapWorker"}
PIPELINE = """
import sys
import ray
from edgekit.engines.ray import Predictor, actor_pool

address, folder, output, model = sys.argv[1:]
ray.init(address, log_to_driver=False)
images = ray.data.read_binary_files(folder, include_paths=True, override_num_blocks=16).repartition(64)
arguments = {"model": open(model, "rb").read(), "column": "bytes"}
rows = images.map_batches(Predictor, fn_constructor_kwargs=arguments, **actor_pool())
rows.select_columns(["path", "label", "error"]).write_parquet(output)
"""


class Cluster:
    """Two nodes; each is a session of processes."""

    def __init__(self, *, namespaces: bool) -> None:
        self._namespaces, self._host = namespaces, "127.0.0.1"
        self._nodes: list[subprocess.Popen[bytes]] = []
        if namespaces:
            self._host = "10.77.0.1"
            _add_namespaces()
        self.address = f"{self._host}:{PORT}"

    def start_head(self) -> None:
        self._start(0, "--head", f"--port={PORT}", "--include-dashboard=false", f"--node-ip-address={self._host}")

    def start_second(self) -> None:
        own = (f"--node-ip-address={_address(1)}",) if self._namespaces else ()
        self._start(1, f"--address={self.address}", *own)

    def kill_second(self) -> None:
        self._kill(self._nodes.pop())

    def sessions(self) -> list[int]:
        return [node.pid for node in self._nodes]

    def close(self) -> None:
        for node in self._nodes:
            self._kill(node)
        if self._namespaces:
            _delete_namespaces()

    def inside(self, *command: object) -> list[str]:
        """A command as it runs beside the first node."""
        return [*(_in_namespace(0) if self._namespaces else ()), *map(str, command)]

    def _start(self, number: int, *arguments: str) -> None:
        ray = Path(sys.executable).with_name("ray")
        options = ("--num-cpus=2", "--object-store-memory=100000000", "--block")
        command = [*(_in_namespace(number) if self._namespaces else ()), str(ray), "start", *arguments, *options]
        node = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._nodes.append(node)
        _wait_for(lambda: self._alive() == len(self._nodes), f"node {number + 1}")

    def _alive(self) -> int:
        program = "import ray, sys; ray.init(sys.argv[1], logging_level='error'); "
        program += "print(sum(node['Alive'] for node in ray.nodes()))"
        done = subprocess.run(
            self.inside(sys.executable, "-c", program, self.address), capture_output=True, text=True, check=False
        )
        return int(done.stdout.split()[-1]) if done.returncode == 0 else 0

    @staticmethod
    def _kill(node: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=None)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--photos", type=Path, default=SHARED / "data" / "imagenet-photos")
    parser.add_argument("--work", type=Path, default=None, help="default: a temporary folder")
    parser.add_argument("--namespaces", action="store_true")
    options = parser.parse_args()
    model = str(model_path(options.model or default_model()))
    problems: list[str] = []
    with _folder(options.work) as work, _cluster(namespaces=options.namespaces) as cluster:
        photos = _linked(options.photos, work / "photos", options.images)
        expected = _labels(model, photos)
        for engine, worker in WORKERS.items():
            cluster.start_second()
            output = work / f"{engine.replace(' ', '-')}.parquet"
            problems += [
                f"{engine}: {problem}" for problem in _run(cluster, engine, worker, photos, output, model, expected)
            ]
    print("\n".join(problems) or "every image once, on two nodes, after the death of one, with each engine")
    sys.exit(bool(problems))


def _run(
    cluster: Cluster, engine: str, worker: str, photos: Path, output: Path, model: str, expected: dict[str, str]
) -> Iterator[str]:
    """Predict, and kill the second node on the way; yields what is wrong."""
    command: tuple[object, ...] = (sys.executable, "-c", PIPELINE, cluster.address, photos, output, model)
    if engine != "ray data":
        command = (sys.executable, "-m", "edgekit", "predict", photos, "--model", model, "-o", output)
        command += ("--shard-size", PER_SHARD, "--engine", engine, "--address", cluster.address)
    log = output.with_suffix(".log")
    begin = time.monotonic()
    with log.open("wb") as file:
        driver = subprocess.Popen(cluster.inside(*command), stdout=file, stderr=file)
    sessions = set(cluster.sessions())
    seen: set[int] = set()
    while driver.poll() is None and (_count(output) < len(expected) / 4 or seen != sessions):
        seen |= _sessions_of(worker) & sessions
        time.sleep(0.2)
    died_after = _count(output)
    cluster.kill_second()
    if driver.wait():
        yield f"ended with status {driver.returncode}: {log.read_text(errors='replace')[-500:]}"
        return
    if seen != sessions:
        yield f"{len(seen)} of 2 nodes had a worker"
    rows = _rows(output)
    print(f"{engine}: node 2 died after {died_after} of {len(expected)} images; {time.monotonic() - begin:.0f} s")
    if sorted(name for name, _ in rows) != sorted(expected):
        yield f"{len(rows)} rows of {len(dict(rows))} images in place of {len(expected)}"
    elif any(expected[name] != label for name, label in rows):
        yield "labels differ from those of a single process"


def _rows(output: Path) -> list[tuple[str, str]]:
    import pyarrow.parquet as pq

    return [
        (Path(path).name, label)
        for part in sorted(output.glob("*.parquet"))
        for path, label in pq.read_table(part, columns=["path", "label"]).to_pandas().itertuples(index=False)
    ]


def _count(output: Path) -> int:
    import pyarrow.parquet as pq

    count = 0
    for part in output.glob("*.parquet"):
        with suppress(Exception):  # being written
            count += pq.read_metadata(part).num_rows
    return count


def _labels(model: str, photos: Path) -> dict[str, str]:
    files = sorted(photos.iterdir())
    with Classifier(model, threads=1) as classifier:
        results = classifier.predict_many(files, top=1, on_error="raise")
        return {file.name: result.label for file, result in zip(files, results, strict=True)}


def _linked(source: Path, target: Path, count: int) -> Path:
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    target.mkdir()
    for number in range(count):
        file = files[number % len(files)]
        (target / f"{number:06}{file.suffix}").symlink_to(file.resolve())
    return target


def _sessions_of(worker: str) -> set[int]:
    """The sessions in which processes with such a command line run."""
    sessions = set()
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if process.name.isdecimal() and worker in (process / "cmdline").read_text(errors="replace"):
                sessions.add(os.getsid(int(process.name)))
    return sessions


def _address(number: int) -> str:
    return f"10.77.0.{number + 1}"


def _in_namespace(number: int) -> tuple[str, ...]:
    return "ip", "netns", "exec", f"edgekit{number}"


def _add_namespaces() -> None:
    _delete_namespaces()
    for number in range(2):
        _ip("netns", "add", f"edgekit{number}")
    _ip("link", "add", "veth0", "netns", "edgekit0", "type", "veth", "peer", "name", "veth1", "netns", "edgekit1")
    for number in range(2):
        inside = ("-n", f"edgekit{number}")
        _ip(*inside, "addr", "add", f"{_address(number)}/24", "dev", f"veth{number}")
        for device in (f"veth{number}", "lo"):
            _ip(*inside, "link", "set", device, "up")


def _delete_namespaces() -> None:
    for number in range(2):
        subprocess.run(["ip", "netns", "delete", f"edgekit{number}"], stderr=subprocess.DEVNULL, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not start within {WAIT_S} s")
        time.sleep(1)


@contextmanager
def _cluster(*, namespaces: bool) -> Iterator[Cluster]:
    cluster = Cluster(namespaces=namespaces)
    try:
        cluster.start_head()
        yield cluster
    finally:
        cluster.close()


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="edgekit-cluster-", dir=work))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

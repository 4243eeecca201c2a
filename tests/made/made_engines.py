"""The environment of the engines' tests: it sees the packages of this one, and has Ray, Daft and Spark."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from made_environments import ENVIRONMENT, ROOT, TIMEOUT_S, make_environment

from edgekit import Classifier, ImageError

RAY_AND_DAFT = ("ray", "daft", "msgpack", "pandas", "tqdm")
SPARK = ("pyspark", "py4j")


def make_engine_environment(folder: Path) -> Path:
    """A new environment with Ray and Daft; its Python."""
    python = make_environment(folder)
    packages = next(python.parents[1].rglob("site-packages"))
    (packages / "parent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    install_engines(python, *RAY_AND_DAFT)
    return python


def install_engines(python: Path, *packages: str) -> None:
    """Install packages whose dependencies are there; the test is skipped if it is not possible."""
    # Without dependencies: the upper bounds of Daft exclude versions that the tests of everything else run with.
    pip = (sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-compile", "--no-deps")
    command = (*pip, "--no-build-isolation", "-c", ROOT / "constraints-peers.txt", *packages)
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        pytest.skip(f"{packages[0]} cannot be installed: {done.stderr.strip().splitlines()[-1]}")


def run_program(python: Path, *arguments: object, cwd: Path) -> str:
    """The standard output of a program in the environment."""
    environment = {
        **ENVIRONMENT,
        "EDGEKIT_HOME": str(cwd / "edgekit-home"),
        "PYSPARK_PYTHON": str(python),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "true",
        "DAFT_ANALYTICS_ENABLED": "0",
    }
    done = subprocess.run(
        [str(python), *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def found_by(python: Path, program: str, *arguments: object, cwd: Path) -> dict[str, Any]:
    """What a program prints as JSON in its last line."""
    (cwd / "program.py").write_text(program)
    result: dict[str, Any] = json.loads(run_program(python, "program.py", *arguments, cwd=cwd).splitlines()[-1])
    return result


def rows_by_name(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of Parquet files by the names of their images, without the paths; no image may be there twice."""
    import pyarrow.parquet as pq

    rows = pq.read_table(folder).to_pylist()
    found = {Path(row.pop("path")).name: row for row in rows}
    assert len(found) == len(rows)
    return found


def predicted_rows(model: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What an engine must write for the encoded images of a folder with top=3, by their names."""
    rows = {}
    with Classifier(model, threads=1) as classifier:
        for path in folder.iterdir():
            try:
                prediction = classifier.predict(path.read_bytes(), top=3)
            except ImageError as error:
                rows[path.name] = {"label": None, "probability": None, "top": None, "error": str(error)}
                continue
            top = prediction.to_dict()["top"]
            best = {"label": prediction.label, "probability": prediction.probability}
            rows[path.name] = {**best, "top": top, "error": None}
    return rows

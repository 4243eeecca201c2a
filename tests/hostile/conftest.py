"""Runs malicious files in a child process with limits."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("child.py")
TIME_OUT_S = 300  # for the whole child on a busy machine; it measures each file itself
SECONDS, MEGABYTES = 5.0, 600.0


@pytest.fixture
def predict_in_child(tmp_path: Path, tiny_artifact: Path) -> Callable[..., dict[str, dict[str, object]]]:
    """Return a function from (name, content) of images, or of models with models=True, to outcomes by name."""

    def run(files: Iterable[tuple[str, bytes]], *, models: bool = False) -> dict[str, dict[str, object]]:
        folder = tmp_path / "files"
        folder.mkdir()
        names = {}
        for number, (name, data) in enumerate(files):
            names[f"{number:05}.bin"] = name
            (folder / f"{number:05}.bin").write_bytes(data)
        command = [sys.executable, str(CHILD), "--models" if models else str(tiny_artifact), str(folder)]
        child = subprocess.run(command, capture_output=True, text=True, timeout=TIME_OUT_S, check=False)
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        outcomes = {names[line.pop("file")]: line for line in lines}
        last = list(outcomes)[-1] if outcomes else "start"
        assert child.returncode == 0, f"the child ended with {child.returncode} at {last}: {child.stderr[-2000:]}"
        assert len(outcomes) == len(names)
        for name, outcome in outcomes.items():
            assert "escaped" not in outcome, f"{name}: {outcome}"
            assert outcome["seconds"] <= SECONDS, f"{name}: {outcome}"
            assert outcome["mb"] <= MEGABYTES, f"{name}: {outcome}"
            assert len(str(outcome.get("message", "")).splitlines()) <= 1, f"{name}: {outcome}"
            assert str(outcome.get("message", "")).isprintable(), f"{name}: {outcome}"
        return outcomes

    return run

"""Fuzz `edgekit serve` with Schemathesis: requests made from the server's own OpenAPI document, valid and not.

    python scripts/fuzz_openapi.py [--examples 300] [--seed 0] [--work FOLDER]

Schemathesis is installed into an environment of its own in FOLDER (versions: constraints-peers.txt). It compares every
response with the document: status, content type, headers, schema. Afterwards the server must run, must have written no
traceback, and must predict as before. Prints what Schemathesis prints, and the server's memory before and after. Exits
with status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from broken_requests import IMAGE
from made_models import model_with_maps, write_tiny  # of the tests, where broken_requests looks
from peers.environments import ROOT, environment_python
from server_process import ServerProcess, edgekit_server

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=300, help="for each path and method, in each phase")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "peers", help="default: build/peers")
    options = parser.parse_args()
    python = environment_python("schemathesis", options.work.absolute() / "environments" / "schemathesis")
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as server:
        expected, before_mb = server.request("POST", "/predict", IMAGE), server.megabytes
        command = [
            python.parent / "schemathesis",
            "run",
            f"http://127.0.0.1:{server.port}/openapi.json",
            f"--checks={','.join(CHECKS)}",
            f"--max-examples={options.examples}",
            f"--seed={options.seed}",
            "--generation-database=none",
            "--request-timeout=60",
            "--continue-on-failure",
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, check=False)
        problems = ["Schemathesis found problems"] * (done.returncode != 0)
        problems += ["the server has ended"] * (not server.is_alive)
        problems += [f"the log has a traceback: {server.log()[-2000:]}"] * ("Traceback" in server.log())
        if server.request("POST", "/predict", IMAGE) != expected:
            problems.append("the prediction of the same image has changed")
        requests = counted_requests(server.get("/metrics")[1].decode())
        print(json.dumps({"requests": requests, "mb_before": before_mb, "mb_after": server.megabytes}))
    print(*problems, sep="\n")
    sys.exit(1 if problems else 0)


def _server(folder: Path) -> ServerProcess:
    return edgekit_server(write_tiny(folder / "tiny.onnx", model_with_maps()))


def counted_requests(metrics: str) -> int:
    """The number of requests that the server has counted."""
    lines = [line.split() for line in metrics.splitlines() if line.startswith("edgekit_requests_total")]
    return sum(int(float(value)) for *_, value in lines)


if __name__ == "__main__":
    main()

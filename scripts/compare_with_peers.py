"""Compare `edgekit adopt` with the libraries that its models come from.

    python scripts/compare_with_peers.py [LIBRARY[/NAME] ...] [--work FOLDER] [--photos FOLDER] [--again]

Each peer is a network of another library with random weights, exported and saved by that library, in an environment of
its own that this script makes (versions: constraints-peers.txt). One `edgekit adopt` command without any number makes
an edgekit model of it. On 20 photographs, the labels and logits of both must agree: the library's preprocessing and
network on one side, Classifier on the other. A control, whose images are resized wrongly, must not agree.

Prints a Markdown table and writes it to FOLDER/table.md, the figures to FOLDER/results.json. What is done is not
repeated, unless --again is passed: then existing models are adopted and compared once more. Exits with status 1 if a
peer fails or cannot be installed. All peers need 8 GB on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from peers.catalog import PEERS, Peer
from peers.comparison import AdoptError, Agreement, compare
from peers.environments import ROOT, InstallError, environment_python, run_in

PHOTOS = 20
SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="LIBRARY[/NAME]", help="all by default")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "peers", help="default: build/peers")
    parser.add_argument("--photos", type=Path, default=SHARED / "data" / "imagenet-photos" / "images")
    parser.add_argument("--again", action="store_true", help="adopt and compare existing models once more")
    options = parser.parse_args()
    peers = [peer for peer in PEERS if not options.names or {peer.library, peer.path} & set(options.names)]
    unknown = set(options.names) - {name for peer in PEERS for name in (peer.library, peer.path)}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    work = options.work.absolute()
    if not options.photos.is_dir():
        parser.error(f"no such folder of photographs: {options.photos}")
    copy_photos(work, options.photos)
    results = {}
    for library in dict.fromkeys(peer.library for peer in peers):
        results |= run_library(library, [peer for peer in peers if peer.library == library], work, again=options.again)
    table = markdown(peers, results)
    print(table)
    (work / "table.md").write_text(table)
    (work / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    sys.exit(0 if all(result["passed"] for result in results.values()) else 1)


def copy_photos(work: Path, source: Path) -> None:
    """Copy the photographs, spread over those of the source, to the work folder."""
    photos = work / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    if not any(photos.iterdir()):
        files = sorted(source.iterdir())
        for index in range(PHOTOS):
            shutil.copy(files[index * len(files) // PHOTOS], photos)


def run_library(library: str, peers: list[Peer], work: Path, *, again: bool) -> dict[str, dict[str, Any]]:
    """Make and compare the peers of a library; the result of each by its path."""
    missing = [peer.name for peer in peers if not (work / peer.path / "reference.npz").is_file()]
    if missing:
        show(f"{library}: making {len(missing)} of {len(peers)} models")
        try:
            python = environment_python(library, work / "environments" / library)
        except InstallError as error:
            show(f"{library}: not installed: {error}")
            return {peer.path: {"passed": False, "not_installed": str(error)} for peer in peers}
        module = library.partition("_torch")[0]
        run_in(library, python, "-m", "peers.make", module, work / library, work / "photos", *missing)
    results = {}
    for number, peer in enumerate(peers, 1):
        stored = work / peer.path / "result.json"
        if again or not stored.is_file() or not json.loads(stored.read_text())["passed"]:
            start = time.monotonic()
            result = result_of(peer, work)
            stored.write_text(json.dumps(result))
            outcome = "; ".join(columns(result)) if "adopted" in result else reason(result)
            show(f"{peer.path} ({number} of {len(peers)}), {time.monotonic() - start:.0f} s: {outcome}")
        results[peer.path] = json.loads(stored.read_text())
    return results


def result_of(peer: Peer, work: Path) -> dict[str, Any]:
    """Compare one peer: its figures, or why there are none."""
    folder = work / peer.path
    if not (folder / "reference.npz").is_file():
        trace = folder / "error.txt"
        last = trace.read_text().strip().splitlines()[-1] if trace.is_file() else "its process ended early"
        return {"passed": False, "error": f"not made: {last}"}
    try:
        adopted, control = compare(peer, folder, work / "photos")
    except AdoptError as error:
        return {"passed": False, "error": str(error)}
    passed = adopted.passed and not control.passed
    return {"passed": passed, "adopted": asdict(adopted), "control": asdict(control)}


def markdown(peers: list[Peer], results: dict[str, dict[str, Any]]) -> str:
    """The table: a row for each peer."""
    lines = [
        "| peer | command | equal labels | largest difference of a logit | control |",
        "|---|---|---|---|---|",
    ]
    for peer in peers:
        result = results[peer.path]
        cells = columns(result) if "adopted" in result else (reason(result), "", "")
        command = " ".join(("edgekit", *peer.command))
        lines.append(f"| {peer.path} | `{command}` | {' | '.join(cells)} |")
    passed = sum(result["passed"] for result in results.values())
    lines += ["", f"{passed} of {len(results)} pass. Differences are in standard deviations of an image's logits."]
    return "\n".join(lines) + "\n"


def columns(result: dict[str, Any]) -> tuple[str, str, str]:
    """The figures of a comparison: labels, logits, control."""
    adopted, control = Agreement(**result["adopted"]), Agreement(**result["control"])
    verdict = "" if result["passed"] else " FAILED"
    return (
        f"{adopted.equal} of {adopted.compared}{verdict}",
        f"{adopted.difference:.1e}",
        f"{control.equal} of {control.compared}, {control.difference:.1e}",
    )


def reason(result: dict[str, Any]) -> str:
    """Why there are no figures."""
    return f"FAILED: {result['error']}" if "error" in result else f"not installed: {result['not_installed']}"


def show(line: str) -> None:
    """Print progress, apart from the table."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""`edgekit doctor`: check that edgekit works on this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from edgekit.cli.options import Option
from edgekit.cli.render import write, write_json
from edgekit.cli.tables import facts
from edgekit.errors import DISTRIBUTION, EdgekitError

if TYPE_CHECKING:
    from edgekit.runtime.doctor import Checkup

EXAMPLES = """Examples:
  edgekit doctor
  edgekit doctor --json
"""


def run(json: Annotated[bool, Option("Print one JSON document.")] = False) -> None:
    """Check that edgekit works on this machine: versions, processor, cores, providers, cache and extras.

    Exit status 1 if something keeps edgekit from working; every finding states what to do.
    """
    from edgekit.runtime.doctor import check_up

    checkup = check_up()
    if json:
        findings = [asdict(finding) for finding in checkup.findings]
        write_json({"schema": 2, "healthy": checkup.healthy, **checkup.facts, "findings": findings})
    else:
        _write_checkup(checkup)
    if not checkup.healthy:
        sys.exit(EdgekitError.exit_code)


def _write_checkup(checkup: Checkup) -> None:
    findings = [(finding.severity, finding.message) for finding in checkup.findings]
    write(facts([*_fact_lines(checkup.facts), *findings], width=14))
    if not checkup.findings:
        write("no problems found")


def _fact_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    machine, cores, cache, default_model = facts["machine"], facts["cores"], facts["cache"], facts["default_model"]
    quota = "none" if cores["quota"] is None else f"{cores['quota']:.2g}"
    lines = [
        ("installation", f"{facts['installation']['location']} ({facts['installation']['kind']})"),
        ("versions", ", ".join(f"{name} {number}" for name, number in machine["versions"].items())),
        ("system", f"Python {machine['python']}, {machine['system']}, {machine['architecture']}"),
        (
            "processor",
            f"{machine['processor']} ({', '.join(machine['int8_features']) or 'no known int8 instructions'})",
        ),
        ("cores", f"{cores['machine']}, {cores['affinity']} by affinity, cgroup quota {quota}"),
        ("providers", ", ".join(facts["providers"])),
        ("cache", f"{cache['folder']}, {cache['size_bytes'] / 1e6:.1f} MB{', offline' if cache['offline'] else ''}"),
    ]
    for extra, missing in facts["extras"].items():
        status = f"missing {', '.join(missing)}; run: pip install '{DISTRIBUTION}[{extra}]'" if missing else "installed"
        lines.append((f"extra {extra}", status))
    first_ms = default_model["first_prediction_ms"]
    if first_ms is not None:
        lines.append(("default model", f"{default_model['name']}, first prediction after {first_ms:.0f} ms"))
    return lines

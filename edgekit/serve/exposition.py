"""GET /metrics: the figures of the server in the text format of Prometheus, version 0.0.4.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/, section "Text-based format".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgekit.serve.metrics import Family, Sample
from edgekit.serve.responses import PRIVATE_HEADERS
from edgekit.serve.services import Services, services_of

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_USER_TIME, _SYSTEM_TIME = 11, 12  # fields of /proc/PID/stat after the name, in ticks
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


async def show_metrics(request: Request) -> Response:
    """The figures of all processes of this server."""
    services = services_of(request)
    services.note_pool()
    families = [*services.metrics.families(), *_process_families(services.metrics.processes()), _model_info(services)]
    return Response(text_format(families), headers=PRIVATE_HEADERS, media_type=_MEDIA_TYPE)


def text_format(families: Iterable[Family]) -> str:
    """The samples, one a line, each family after its help and type."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for suffix, labels, value in family.samples:
            pairs = ",".join(f'{name}="{label.translate(_ESCAPES)}"' for name, label in labels.items())
            lines.append(f"{family.name}{suffix}{f'{{{pairs}}}' if pairs else ''} {_number(value)}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _process_families(processes: list[int]) -> Iterator[Family]:
    """Memory and CPU time by their usual names, summed over the processes; none without /proc (outside Linux)."""
    if not os.path.isdir("/proc/self"):  # noqa: PTH112
        return
    memory, seconds = 0, 0.0
    for process in processes:
        with suppress(OSError):  # it has ended
            with open(f"/proc/{process}/statm", encoding="ascii") as file:
                memory += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            seconds += (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / os.sysconf("SC_CLK_TCK")
    for name, kind, help, value in (
        ("process_resident_memory_bytes", "gauge", "Resident memory of the server's processes.", memory),
        ("process_cpu_seconds_total", "counter", "CPU time of the server's processes.", seconds),
    ):
        yield Family(name, kind, help, [Sample("", {}, value)])


def _model_info(services: Services) -> Family:
    labels = [
        {
            "model": model.name,
            "network": model.classifier.info.model,
            "precision": model.classifier.info.precision,
            "sha256": model.sha256,
        }
        for model in services.models
    ]
    return Family("edgekit_model_info", "gauge", "The models that are loaded.", [Sample("", one, 1) for one in labels])


routes = [Route("/metrics", show_metrics)]

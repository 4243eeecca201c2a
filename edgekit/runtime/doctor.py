"""Check whether edgekit works on this machine, and what to do if not."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort

import edgekit
from edgekit.errors import DISTRIBUTION, EdgekitError
from edgekit.hub.cache import is_offline, weights_folder
from edgekit.hub.model_files import default_model
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.cpu import VNNI, affinity_cores, available_threads, cgroup_quota, processor
from edgekit.runtime.requirements import BASE, EXTRAS, installed_version

_PROVIDER = "CPUExecutionProvider"
# One of each row makes the products of bytes fast and exact: x86 with VNNI or AMX, Arm with dot products.
_FAST_INT8 = VNNI | {"asimddp", "i8mm"}
# Where x86 has only these, two products of unsigned and signed bytes may overflow on their way.
_OVERFLOWING_INT8 = frozenset({"avx2", "avx512f"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong and what to do. A problem keeps edgekit from working; advice does not."""

    severity: Literal["problem", "advice"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """The result of check_up.

    Attributes:
        facts: JSON-ready values by subject.
        findings: problems first.
    """

    facts: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there are no problems."""
        return not any(finding.severity == "problem" for finding in self.findings)


def check_up() -> Checkup:
    """Inspect the machine, the installation and the cache, and predict once with the default model."""
    installation = _installation()
    # Nothing can be installed into a frozen program: its build chose the packages.
    is_fixed = installation["kind"] == "frozen program"
    facts: dict[str, Any] = {
        "installation": installation,
        "machine": processor(),
        "cores": _cores(),
        "providers": ort.get_available_providers(),
        "cache": _cache(),
        "extras": {} if is_fixed else {extra: _missing(needs) for extra, needs in EXTRAS.items()},
    }
    first_ms, failure = _predict_once()
    findings = [
        *([] if is_fixed else _package_findings()),
        *_core_findings(facts["cores"]),
        *_provider_findings(facts["providers"]),
        *_cache_findings(facts["cache"]),
        *([Finding("problem", failure)] if failure else []),
        *_processor_findings(facts["machine"]),
    ]
    return Checkup(
        facts=facts | {"default_model": {"name": default_model(), "first_prediction_ms": first_ms}},
        findings=tuple(sorted(findings, key=lambda finding: finding.severity != "problem")),
    )


def _installation() -> dict[str, str]:
    location = Path(edgekit.__file__).parent
    kind = "frozen program" if getattr(sys, "frozen", False) else "folder" if location.is_dir() else "zip archive"
    return {"location": str(location), "kind": kind}


def _missing(needs: Mapping[str, str]) -> list[str]:
    """The packages that are not installed, or are too old."""
    return [name for name, lowest in needs.items() if _numbers(installed_version(name) or "") < _numbers(lowest)]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text.partition("+")[0])))


def _package_findings() -> Iterator[Finding]:
    for name in _missing(BASE):
        installed = installed_version(name)
        state = f"{name} {installed} is too old" if installed else f"{name} is not installed"
        yield Finding("problem", f"{state}; run: pip install '{name}>={BASE[name]}'")


def _cores() -> dict[str, Any]:
    return {"machine": os.cpu_count(), "affinity": affinity_cores(), "quota": cgroup_quota()}


def _core_findings(cores: dict[str, Any]) -> Iterator[Finding]:
    try:
        threads = available_threads()
    except EdgekitError as error:
        yield Finding("problem", f"{error}; correct or unset it")
        return
    usable = min(cores["affinity"], math.ceil(cores["quota"] or cores["affinity"]))
    if threads > usable:
        message = f"EDGEKIT_NUM_THREADS is {threads}, but this process may use only {usable} cores; lower or unset it"
        yield Finding("advice", message)
    if cores["quota"] is not None and cores["quota"] < 1:
        quota = f"{cores['quota']:.2g}"
        yield Finding("advice", f"the cgroup's CPU quota is {quota} cores, so predictions stall; raise it to 1")


def _provider_findings(providers: list[str]) -> Iterator[Finding]:
    if _PROVIDER not in providers:
        yield Finding("problem", f"onnxruntime has no {_PROVIDER}; run: pip install --force-reinstall onnxruntime")


def _cache() -> dict[str, Any]:
    folder = weights_folder()
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    return {"folder": str(folder), "size_bytes": size_bytes, "writable": _is_writable(folder), "offline": is_offline()}


def _is_writable(folder: Path) -> bool:
    """Whether the folder accepts files, or can be created."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _cache_findings(cache: dict[str, Any]) -> Iterator[Finding]:
    if not cache["writable"]:
        yield Finding("problem", f"{cache['folder']} is not writable; set EDGEKIT_HOME to a folder that is")


def _predict_once() -> tuple[float | None, str | None]:
    """Milliseconds from loading the default model to its first prediction, or why there is none."""
    start = time.perf_counter()
    try:
        with Classifier(threads=1) as classifier:
            classifier.predict(np.zeros((32, 32, 3), np.uint8))
    except EdgekitError as error:
        return None, f"the default model does not predict: {error}; run: pip install --force-reinstall {DISTRIBUTION}"
    return (time.perf_counter() - start) * 1e3, None


def _processor_findings(facts: dict[str, Any]) -> Iterator[Finding]:
    features = set(facts["int8_features"])
    if features & _FAST_INT8:
        return
    if features & _OVERFLOWING_INT8:
        yield Finding(
            "advice",
            "this processor has no VNNI: int8 is less of a gain, and int8 models made by other tools may overflow; "
            "measure with `edgekit bench MODEL --against fp32`, and quantize with `edgekit quantize --target x86-avx2`",
        )
    else:
        yield Finding(
            "advice",
            "this processor has no known int8 instructions; measure with `edgekit bench MODEL --against fp32`",
        )

"""Whether this machine and this installation are fit for edgekit, and what to do where they are not."""

from __future__ import annotations

import math
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort

from edgekit.errors import DISTRIBUTION, EdgekitError
from edgekit.hub.cache import is_offline, weights_folder
from edgekit.hub.shipped import DEFAULT_MODEL
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.cpu import VNNI, affinity_cores, available_threads, cgroup_quota, processor

_PROVIDER = "CPUExecutionProvider"
# One of each row makes the products of bytes fast and exact: x86 with VNNI or AMX, Arm with dot products.
_FAST_INT8 = VNNI | {"asimddp", "i8mm"}
# Where x86 has only these, two products of unsigned and signed bytes may overflow on their way.
_OVERFLOWING_INT8 = frozenset({"avx2", "avx512f"})
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[(?P<extras>[^]]+)\])?[^;>]*(>=(?P<least>[\d.]+))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, and what to do. A problem keeps edgekit from working, advice does not."""

    severity: Literal["problem", "advice"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """facts: JSON-ready, by subject. findings: problems first."""

    facts: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem."""
        return not any(finding.severity == "problem" for finding in self.findings)


def check_up() -> Checkup:
    """Look at the machine, the installation and the cache, and let the default model answer once."""
    packages = _packages()
    facts: dict[str, Any] = {
        "machine": processor(),
        "cores": _cores(),
        "providers": ort.get_available_providers(),
        "cache": _cache(),
        "extras": {extra: _missing(needs) for extra, needs in packages.items() if extra},
    }
    first_ms, failure = _predict_once()
    findings = [
        *_package_findings(packages.get("", {})),
        *_core_findings(facts["cores"]),
        *_provider_findings(facts["providers"]),
        *_cache_findings(facts["cache"]),
        *([Finding("problem", failure)] if failure else []),
        *_processor_findings(facts["machine"]),
    ]
    return Checkup(
        facts=facts | {"default_model": {"name": DEFAULT_MODEL, "first_answer_ms": first_ms}},
        findings=tuple(sorted(findings, key=lambda finding: finding.severity != "problem")),
    )


def _packages() -> dict[str, dict[str, str | None]]:
    """By extra ("" for the base), the least version of each package that edgekit asks for."""
    packages: dict[str, dict[str, str | None]] = defaultdict(dict)
    for line in requires("edgekit") or []:
        named, extra = _REQUIREMENT.match(line), _EXTRA.search(line)
        if named and named["name"] != "edgekit":
            packages[extra[1] if extra else ""][named["name"]] = named["least"]
    for line in requires("edgekit") or []:  # an extra may hold others
        named, extra = _REQUIREMENT.match(line), _EXTRA.search(line)
        if named and named["name"] == "edgekit" and extra:
            for part in (named["extras"] or "").split(","):
                packages[extra[1]] |= packages.get(part.strip(), {})
    return packages


def _missing(needs: dict[str, str | None]) -> list[str]:
    """The packages that are not installed, or too old."""
    return [name for name, least in needs.items() if _numbers(_installed(name)) < _numbers(least or "0")]


def _installed(name: str) -> str:
    """The version; empty where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text.partition("+")[0])))


def _package_findings(needs: dict[str, str | None]) -> Iterator[Finding]:
    for name in _missing(needs):
        installed, needed = _installed(name) or "none", needs[name]
        yield Finding("problem", f"{name} {installed} is installed, {needed} is needed; run: pip install -U '{name}'")


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
        message = f"EDGEKIT_NUM_THREADS is {threads}, but this process may use {usable} cores; unset it or lower it"
        yield Finding("advice", message)
    if cores["quota"] is not None and cores["quota"] < 1:
        yield Finding(
            "advice", f"the cgroup's quota is {cores['quota']:.2g} cores, so predictions stall; raise it to 1"
        )


def _provider_findings(providers: list[str]) -> Iterator[Finding]:
    if _PROVIDER not in providers:
        yield Finding("problem", f"onnxruntime has no {_PROVIDER}; run: pip install --force-reinstall onnxruntime")


def _cache() -> dict[str, Any]:
    folder = weights_folder()
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    return {"folder": str(folder), "size_bytes": size_bytes, "writable": _is_writable(folder), "offline": is_offline()}


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in it, or it can be made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _cache_findings(cache: dict[str, Any]) -> Iterator[Finding]:
    if not cache["writable"]:
        yield Finding("problem", f"{cache['folder']} cannot be written; set EDGEKIT_HOME to a folder that can")


def _predict_once() -> tuple[float | None, str | None]:
    """Milliseconds until the default model has answered, or why it has not."""
    start = time.perf_counter()
    try:
        with Classifier(threads=1) as classifier:
            classifier.predict(np.zeros((32, 32, 3), np.uint8))
    except EdgekitError as error:
        return None, f"the default model does not answer: {error}; run: pip install --force-reinstall {DISTRIBUTION}"
    return (time.perf_counter() - start) * 1e3, None


def _processor_findings(facts: dict[str, Any]) -> Iterator[Finding]:
    features = set(facts["int8_features"])
    if features & _FAST_INT8:
        return
    if features & _OVERFLOWING_INT8:
        yield Finding(
            "advice",
            "this processor has no VNNI: int8 gains less here, and other tools' int8 files may overflow; compare with "
            "`edgekit bench MODEL --against fp32`, and let `edgekit quantize` choose ranges that fit",
        )
    else:
        yield Finding(
            "advice",
            "no instructions for int8 are known of this processor; compare with `edgekit bench MODEL --against fp32`",
        )

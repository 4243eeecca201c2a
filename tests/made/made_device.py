"""Documents as bench.pyz prints them."""

import copy
from typing import Any

ROUNDS = 6
_DEVICE = {
    "schema": 2,
    "edgekit": "0.1.0",
    "created": "2026-11-28T09:00:00Z",
    "device": {
        "name": "Raspberry Pi 5 Model B Rev 1.0",
        "processor": "Cortex-A76",
        "architecture": "aarch64",
        "cores": 4,
        "features": ["fp", "asimd", "asimddp"],
        "memory_bytes": 8 * 2**30,
        "system": "Linux 6.6.31",
    },
    "versions": {"onnxruntime": "1.31.1", "numpy": "2.4.6", "python": "3.11.2"},
    "settings": {"rounds": ROUNDS, "seconds": 0.1},
    "conditions": {
        "temperature_c": {"before": 45.0, "highest": 61.5, "after": 60.0},
        "frequency_mhz": {"before": 1500.0, "lowest": 2390.0, "after": 2400.0, "maximum": 2400.0},
        "throttled": False,
        "drift": 1.01,
    },
    "models": [],
    "micro_graphs": [],
}


def device_document(*models: dict[str, Any]) -> dict[str, Any]:
    """The document of a Raspberry Pi 5 that measured these models."""
    return copy.deepcopy({**_DEVICE, "models": list(models)})


def device_model(name: str, *, sha256: str = "0" * 64, ms: float = 10.0, threads: tuple[int, ...] = (1, 2)) -> Any:
    """A model whose network takes `ms` with one thread, and proportionally less with more."""
    return {
        "name": name,
        "file": f"{name}.onnx",
        "sha256": sha256,
        "bytes": 250_000,
        "precision": "float32",
        "target": None,
        "golden": {"vectors": 8, "same_labels": 8, "largest_difference": 0.0, "tolerance": 1e-5, "passed": True},
        "session_ms": {"median": 20.0, "low": 19.0, "high": 22.0},
        "cold_start_ms": {"median": 300.0, "low": 290.0, "high": 310.0},
        "peak_memory_bytes": 70_000_000,
        "network": [
            {
                "threads": count,
                "median_ms": ms / count,
                "low_ms": 0.9 * ms / count,
                "high_ms": 1.2 * ms / count,
                "runs": 60,
                "rounds_ms": [ms / count * (1 + number / 100) for number in range(ROUNDS)],
            }
            for count in threads
        ],
    }

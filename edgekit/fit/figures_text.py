"""How figures of candidates are printed, in messages, tables and on the page: 4.81 ms, 3.95 MB, 71.8%."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.fit.budget import Budget
    from edgekit.fit.device import Device
    from edgekit.fit.front import Figures


def milliseconds(value: float) -> str:
    """A latency with three digits and its unit."""
    return f"{value:.0f} ms" if value >= 99.95 else f"{value:#.3g} ms"


def megabytes(size: float) -> str:
    """A number of bytes as megabytes (10^6 bytes)."""
    return f"{size / 1e6:.0f} MB" if size >= 100e6 else f"{size / 1e6:.2f} MB"


def percent(share: float) -> str:
    """A share (0 to 1) as a percentage with one decimal."""
    return f"{100 * share:.1f}%"


def figures_text(figures: Figures) -> str:
    """Latency, file size and peak memory in one phrase: "4.81 ms, 3.95 MB, 21.4 MB of memory"."""
    return (
        f"{milliseconds(figures.latency_ms)}, {megabytes(figures.size_bytes)}, "
        f"{megabytes(figures.memory_bytes)} of memory"
    )


def budget_text(budget: Budget) -> str:
    """The limits of a budget in one phrase: "5 ms, 4 MB, 60 MB of memory"."""
    limits = [latency_limit(budget)]
    if budget.size_bytes is not None:
        limits.append(size_limit(budget.size_bytes))
    if budget.memory_bytes is not None:
        limits.append(f"{size_limit(budget.memory_bytes)} of memory")
    return ", ".join(limits)


def latency_limit(budget: Budget) -> str:
    """The latency of a budget, without the zeros that nobody wrote: "5 ms"."""
    return f"{budget.latency_ms:g} ms"


def size_limit(size: int) -> str:
    """A number of bytes of a budget likewise: "4 MB"."""
    return f"{size / 1e6:g} MB"


def device_text(device: Device) -> str:
    """A device, its number of threads, and where its figures are from."""
    source = "measured here" if device.is_here else f"predicted from {device.source}"
    return f"{device.name}, {device.threads} thread{'s' * (device.threads > 1)}, {source}"

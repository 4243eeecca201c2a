"""What a model may cost on a device: latency, file size and memory."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import SpecError, must_be
from edgekit.fit.front import Figures

_QUANTITY = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([A-Za-z]+)\s*", re.ASCII)
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_BYTES = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that a model may cost on a device.

    Attributes:
        latency_ms: milliseconds of the network for one image, above 0.
        size_bytes: size of the model file in bytes; None for any size.
        memory_bytes: bytes of its tensors while it runs; None for any number.

    Raises:
        SpecError: a limit is not a number above 0.

    Example:
        >>> from edgekit.fit import Budget
        >>> Budget.parse(latency="5ms", size="4MB")
        Budget(latency_ms=5.0, size_bytes=4000000, memory_bytes=None)
    """

    latency_ms: float
    size_bytes: int | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("latency_ms", "size_bytes", "memory_bytes"):
            value = getattr(self, name)
            if value is None and name != "latency_ms":
                continue
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and 0 < value < math.inf):
                raise SpecError(must_be(name, "a number above 0", value))

    @classmethod
    def parse(cls, *, latency: str, size: str | None = None, memory: str | None = None) -> Budget:
        """Read a budget from quantities with units.

        Args:
            latency: such as "5ms", "800us" or "0.1s".
            size: such as "4MB" (4,000,000 bytes), "900kB" or "4MiB" (4,194,304 bytes); None for any size.
            memory: the same of the memory.

        Raises:
            SpecError: a quantity has no number above 0, or no known unit.
        """
        return cls(
            latency_ms=_quantity("latency", latency, _MILLISECONDS, example="5ms"),
            size_bytes=None if size is None else _whole_bytes("size", size),
            memory_bytes=None if memory is None else _whole_bytes("memory", memory),
        )

    def admits(self, figures: Figures, *, slack: float = 0.0) -> bool:
        """Whether a model keeps every limit.

        Args:
            figures: what it costs.
            slack: what it may exceed the latency by, as a share of it.
        """
        return self.excess(figures) == 0 or (
            slack > 0
            and figures.latency_ms <= (1 + slack) * self.latency_ms
            and self.excess(figures._replace(latency_ms=min(figures.latency_ms, self.latency_ms))) == 0
        )

    def excess(self, figures: Figures) -> float:
        """By how much a model misses the limits: the sum of the shares by which it exceeds each; 0 inside.

        Args:
            figures: what it costs.
        """
        return sum(max(used / limit - 1, 0.0) for _, used, limit in self._uses(figures))

    def missed(self, figures: Figures) -> tuple[str, ...]:
        """The names of the limits that a model exceeds: of "latency", "size" and "memory".

        Args:
            figures: what it costs.
        """
        return tuple(name for name, used, limit in self._uses(figures) if used > limit)

    def _uses(self, figures: Figures) -> list[tuple[str, float, float]]:
        uses: list[tuple[str, float, float | None]] = [
            ("latency", figures.latency_ms, self.latency_ms),
            ("size", figures.size_bytes, self.size_bytes),
            ("memory", figures.memory_bytes, self.memory_bytes),
        ]
        return [(name, used, limit) for name, used, limit in uses if limit is not None]


def _whole_bytes(name: str, text: str) -> int:
    return max(round(_quantity(name, text, _BYTES, example="4MB")), 1)


def _quantity(name: str, text: object, units: Mapping[str, float], *, example: str) -> float:
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    number, unit = match.groups() if match else ("0", "")
    value = float(number) * units.get(unit, 0)
    if not 0 < value < math.inf:
        raise SpecError(must_be(name, f"a number above 0 with a unit ({', '.join(units)}), e.g. {example}", text))
    return value

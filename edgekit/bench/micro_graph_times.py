"""What the micro-graphs took on a device, in the document that bench.pyz prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.bench.fields import Fields

_MAX_THREADS, _MAX_MICRO_GRAPHS = 256, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroGraphTimes:
    """What the micro-graphs of a precision took on the device.

    Attributes:
        threads: intra-op threads.
        precision: "float32" or "int8".
        design: digest of the micro-graphs (`micro_graphs.designed.design`).
        milliseconds: of the fastest run, by name of the micro-graph.
    """

    threads: int
    precision: str
    design: str
    milliseconds: Mapping[str, float]


def micro_graph_times(fields: Fields) -> MicroGraphTimes:
    """Read an entry of `micro_graphs`. Raises DataError, which names the value that is wrong."""
    return MicroGraphTimes(
        threads=fields.integer("threads", least=1, most=_MAX_THREADS),
        precision=fields.text("precision"),
        design=fields.text("design", pattern="[0-9a-f]{12}", form="12 hexadecimal digits"),
        milliseconds=fields.object("milliseconds").positive_values(most=_MAX_MICRO_GRAPHS),
    )

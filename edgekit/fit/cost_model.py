"""What a network costs on a device: its latency from micro-graphs, its memory and the size of its file from shapes.

The time of a network is a weighted sum of amounts of work (`operator_work`). The weights, none of them negative, are
those that explain the times of the micro-graphs best, by the relative error; whole networks among them count more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.rounds import REFERENCE
from edgekit.bench.micro_graphs.steps import Step
from edgekit.errors import ArtifactError, quote
from edgekit.fit.file_size import file_size_bytes
from edgekit.fit.front import Figures
from edgekit.fit.fusion import fused
from edgekit.fit.network_memory import peak_memory_bytes
from edgekit.fit.nonnegative import nonnegative_least_squares
from edgekit.fit.operator_work import BEYOND, Amounts, network_work, operator_work
from edgekit.fit.operators import operators, operators_of

if TYPE_CHECKING:
    from edgekit.fit.device import Device
    from edgekit.fit.layers import Layer
    from edgekit.image.size import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """The latency of networks of one precision on a device, with one number of threads.

    Attributes:
        precision: "float32" or "int8".
        milliseconds: of one unit of each amount of work.
        micro_graph_error: relative error of the micro-graphs that it was fitted to, root mean square.
        reference_ms: milliseconds of the network that micro-graphs were timed with (`bench.micro_graphs.rounds`).
    """

    precision: str
    milliseconds: Mapping[str, float]
    micro_graph_error: float
    reference_ms: float

    def latency_ms(self, network: Sequence[Step]) -> float:
        """Predict the latency of a network.

        Args:
            network: its operators.

        Raises:
            ArtifactError: it has an operator that no micro-graph stands for.
        """
        return self._time(network_work(network, precision=self.precision))

    def operator_ms(self, operator: Step) -> float:
        """Predict the time of one operator, without what a whole run takes in addition.

        Args:
            operator: as onnxruntime executes it.

        Raises:
            ArtifactError: no micro-graph stands for it.
        """
        return self._time(operator_work(operator, precision=self.precision))

    def _time(self, work: Amounts) -> float:
        known = {name: amount for name, amount in work.items() if amount and not self._continues(name)}
        unknown = next((name for name in known if name not in self.milliseconds), None)
        if unknown is not None:
            raise ArtifactError(f"no micro-graph stands for its {quote(unknown)[1:-1]} in {self.precision}")
        return sum(amount * self.milliseconds[name] for name, amount in known.items())

    def _continues(self, name: str) -> bool:
        """Whether this is a size that no micro-graph reaches: then the line of the smaller ones is continued."""
        return BEYOND in name and name not in self.milliseconds


def fitted_model(times: Mapping[str, float], *, precision: str) -> CostModel:
    """Fit a cost model to the times of the micro-graphs.

    Args:
        times: milliseconds by name of the micro-graph; all of `micro_graphs(precision)`.
        precision: "float32" or "int8".
    """
    graphs = micro_graphs(precision)
    works = [network_work(fused(graph.steps, precision=precision), precision=precision) for graph in graphs]
    measured = np.array([times[graph.name] for graph in graphs])
    names = sorted({name for work in works for name, amount in work.items() if amount})
    amounts = np.array([[work.get(name, 0.0) for name in names] for work in works]) / measured[:, None]
    weights = np.array([graph.weight for graph in graphs])
    units = nonnegative_least_squares(amounts * weights[:, None], weights)
    errors = amounts @ units - 1
    return CostModel(
        precision=precision,
        milliseconds=dict(zip(names, units.tolist(), strict=True)),
        micro_graph_error=float(np.sqrt(np.mean(errors**2))),
        reference_ms=times[REFERENCE],
    )


def predict(layers: Sequence[Layer], *, precision: str, input: Size, device: Device) -> Figures:
    """Predict what a candidate costs on a device.

    Args:
        layers: of the candidate, from `layers.Traces`.
        precision: "float32" or "int8".
        input: height and width of its input.
        device: the device.
    """
    network = operators(layers, input=input, precision=precision, target=device.target)
    return Figures(
        latency_ms=device.models[precision].latency_ms(network.operators),
        size_bytes=file_size_bytes(network),
        memory_bytes=peak_memory_bytes(network),
    )


def memory_of(model: bytes) -> int:
    """The peak memory of a model file, by the same rule as that of a candidate.

    Args:
        model: bytes of an edgekit model.

    Raises:
        ArtifactError: it has an operator that no candidate has.
    """
    return peak_memory_bytes(operators_of(model, name="the model"))

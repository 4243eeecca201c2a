"""What every network of the zoo is: a body of named stages, and a head."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.zoo.blocks import named

AUXILIARY_WEIGHT = 0.3  # of each auxiliary head's loss: GoogLeNet's paper (arXiv 1409.4842), section 5


class Network(nn.Module):
    """A classifier: `body` from normalized pixels to features, `head` from features to logits.

    (N, channels, height, width) float32 -> body -> features -> head -> (N, classes) logits.

    The stages of the body have the paper's names, so that training can freeze them by name or count; the head holds
    what depends on the classes and nothing else that learns, so that a new task replaces `head.fc` alone.

    auxiliary: further heads, each on the output of the stage of its name, that only help training (see
    training_logits): evaluation and export never pass through them.
    smallest, largest: the pixels a side that an input may have; `largest` only where a linear layer fixes the grid.
    """

    def __init__(
        self,
        body: Mapping[str, nn.Module],
        head: Mapping[str, nn.Module],
        *,
        auxiliary: Mapping[str, nn.Module] = MappingProxyType({}),
        smallest: int = 1,
        largest: int | None = None,
    ) -> None:
        super().__init__()
        self.body = named(body)
        self.head = named(head)
        self.auxiliary = nn.ModuleDict(auxiliary)
        self.smallest, self.largest = smallest, largest

    def forward(self, x: Tensor) -> Tensor:
        try:
            return cast(Tensor, self.head(self.body(x)))
        except RuntimeError:  # looked into only now, so that no comparison of sizes enters an exported graph
            self.check_input(Size(x.shape[-2], x.shape[-1]))
            raise

    def training_logits(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits, and those of each auxiliary head, in the order of their stages; all (N, classes).

        The loss to train by is that of the logits plus AUXILIARY_WEIGHT times that of each auxiliary head.
        """
        size, auxiliary = Size(x.shape[-2], x.shape[-1]), []
        try:
            for name, stage in self.body.named_children():
                x = stage(x)
                if name in self.auxiliary:
                    auxiliary.append(self.auxiliary[name](x))
        except RuntimeError:
            self.check_input(size)
            raise
        return self.head(x), tuple(auxiliary)

    def check_input(self, size: Size) -> None:
        """Raises SpecError for an input of that size when this network cannot take it."""
        if self.largest is not None and not all(self.smallest <= extent <= self.largest for extent in size):
            raise SpecError(
                f"this network takes inputs of {Size(self.smallest, self.smallest)} to "
                f"{Size(self.largest, self.largest)}, where its linear layers fit, not {size}; "
                f"its argument `input` builds it for another size"
            )
        if min(size) < self.smallest:
            raise SpecError(f"this network takes inputs of at least {Size(self.smallest, self.smallest)}, not {size}")


class PixelNetwork(nn.Module):
    """A network that takes raw pixels: uint8 (N, height, width, channels) in, logits out.

    The normalization (value / 255 - mean) / std is part of the graph, so training, export and every predictor share
    it and no application can get it wrong.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        mean_, std_ = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        # One multiplication and one addition, rounded to float32 once. Not saved: the file's metadata has them.
        self.register_buffer("scale", (1 / (255 * std_)).float().view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", (-mean_ / std_).float().view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.network(self._normalized(pixels)))

    def training_logits(self, pixels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As Network.training_logits, from raw pixels."""
        return cast(Network, self.network).training_logits(self._normalized(pixels))

    def _normalized(self, pixels: Tensor) -> Tensor:
        return pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift

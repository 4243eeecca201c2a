"""The form of every network of the zoo: a body of named stages, and a head."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.zoo.blocks import named

AUXILIARY_WEIGHT = 0.3  # weight of the loss of each auxiliary head (Szegedy et al. 2014, arXiv 1409.4842, section 5)


class Network(nn.Module):
    """A classifier: `body` computes features from normalized pixels, `head` computes logits from features.

    float32 (N, channels, height, width) -> body -> features -> head -> float32 (N, classes).

    The stages of the body have the paper's names, so that training can freeze them by name or number. Of the head, only
    `head.fc` has weights, and only it depends on the classes, so a new task replaces that layer alone.

    Args:
        body: stages by name, in order.
        head: layers by name, in order.
        auxiliary: additional classifiers by the name of the stage whose output they read. They help training (see
            `training_logits`); evaluation and export never run them.
        smallest: smallest height and width of the input, in pixels.
        largest: largest height and width of the input, in pixels; None unless a linear layer limits it.
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
        except RuntimeError:  # checked only after a failure, to keep comparisons of sizes out of an exported graph
            self.check_input(Size(x.shape[-2], x.shape[-1]))
            raise

    def training_logits(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute the logits and those of the auxiliary classifiers.

        The training loss is that of the logits plus AUXILIARY_WEIGHT times that of each auxiliary classifier.

        Args:
            x: normalized pixels, float32 (N, channels, height, width).

        Returns:
            The logits, float32 (N, classes), and those of each auxiliary classifier in the order of their stages.

        Raises:
            SpecError: the network does not accept inputs of this size.
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
        """Check that the network accepts inputs of this size.

        Args:
            size: height and width in pixels.

        Raises:
            SpecError: it does not.
        """
        if self.largest is not None and not all(self.smallest <= extent <= self.largest for extent in size):
            raise SpecError(
                f"this network accepts inputs from {Size(self.smallest, self.smallest)} to "
                f"{Size(self.largest, self.largest)} pixels (got {size}); "
                f"to build it for another size, set its argument `input`"
            )
        if min(size) < self.smallest:
            raise SpecError(
                f"this network accepts inputs of at least {Size(self.smallest, self.smallest)} pixels (got {size})"
            )


class PixelNetwork(nn.Module):
    """A network with raw pixels as its input: uint8 (N, height, width, channels) in, logits out.

    The normalization (value / 255 - mean) / std is part of the graph, so training, export and every predictor share it,
    and no application can get it wrong.

    Args:
        network: classifier with a normalized float32 (N, channels, height, width) input.
        mean: mean of each channel, on a 0-1 scale.
        std: standard deviation of each channel, on a 0-1 scale.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        means, stds = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        # One multiplication and one addition, rounded to float32 once. Not saved: mean and std are in the metadata.
        self.register_buffer("scale", (1 / (255 * stds)).float().view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", (-means / stds).float().view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.network(self._normalized(pixels)))

    def training_logits(self, pixels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute `Network.training_logits` from raw pixels, uint8 (N, height, width, channels)."""
        return cast(Network, self.network).training_logits(self._normalized(pixels))

    def _normalized(self, pixels: Tensor) -> Tensor:
        return pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift

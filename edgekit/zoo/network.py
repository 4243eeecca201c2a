"""What every network of the zoo is: a body of named stages, and a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from edgekit.zoo.blocks import named


class Network(nn.Module):
    """A classifier: `body` from normalized pixels to features, `head` from features to logits.

    (N, channels, height, width) float32 -> body -> features -> head -> (N, classes) logits.

    The stages of the body have the paper's names, so that training can freeze them by name or count; the head holds
    what depends on the classes and nothing else that learns, so that a new task replaces `head.fc` alone.
    """

    def __init__(self, body: Mapping[str, nn.Module], head: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.body = named(body)
        self.head = named(head)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.body(x)))


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
        x = pixels.permute(0, 3, 1, 2).float()
        return cast(Tensor, self.network(x * self.scale + self.shift))

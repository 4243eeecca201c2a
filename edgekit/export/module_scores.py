"""The scores in what a torch classifier returns, which is a tensor, or has one in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgekit.errors import SpecError, listed, quote
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats
from edgekit.zoo.network import Network, PixelNetwork

_LOGITS = "logits"
_TERMINAL_COLORS = re.compile("\x1b\\[[0-9;]*m")


class ScoreNetwork(PixelNetwork):
    """A PixelNetwork for classifiers from anywhere: with any form of output, and for channels in BGR order.

    Its normalized input is contiguous, as networks outside the zoo expect. torch treats a permuted view as
    channels-last, and exports an adaptive pooling of that as a graph that copies single values.

    Args:
        network: classifier with a normalized float32 (N, channels, height, width) input.
        mean: mean of each channel, on a 0-1 scale, in RGB order.
        std: standard deviation of each channel, on a 0-1 scale, in RGB order.
        bgr: the network expects its channels in BGR order.
    """

    def __init__(self, network: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...], bgr: bool) -> None:
        super().__init__(network, mean=mean, std=std)
        self.bgr = bgr

    def forward(self, pixels: Tensor) -> Tensor:
        return scores_in(self.output(pixels))

    def output(self, pixels: Tensor) -> object:
        """What the network itself returns for uint8 (N, height, width, channels)."""
        return self.network(self._normalized(pixels))

    def _normalized(self, pixels: Tensor) -> Tensor:
        normalized = super()._normalized(pixels)
        return (normalized.flip(1) if self.bgr else normalized).contiguous()


def scores_in(output: object) -> Tensor:
    """The tensor of scores in what a module returns.

    Args:
        output: a tensor; a mapping with a tensor under the key "logits", or with one tensor; an object with an
            attribute `logits`, as transformers' models return; or a tuple or list whose first element is the scores.

    Raises:
        SpecError: it is none of these.
    """
    found: Any = output
    if isinstance(output, Mapping):
        tensors = {key: value for key, value in output.items() if isinstance(value, Tensor)}
        if _LOGITS not in tensors and len(tensors) != 1:
            keys = listed(map(quote, tensors)) or "none"
            raise SpecError(f"the module must return its logits under the key 'logits' (got the tensors {keys})")
        found = tensors[_LOGITS] if _LOGITS in tensors else next(iter(tensors.values()))
    elif not isinstance(output, Tensor) and hasattr(output, _LOGITS):
        found = getattr(output, _LOGITS)
    elif isinstance(output, tuple | list) and output:
        found = output[0]
    if not isinstance(found, Tensor):
        raise SpecError(f"the module must return a tensor of logits (got a {type(output).__name__})")
    return found


def are_named_logits(output: object) -> bool:
    """Whether what a module returns names its scores `logits`, as a key or an attribute."""
    return _LOGITS in output if isinstance(output, Mapping) else hasattr(output, _LOGITS)


def scores_note(output: object) -> str | None:
    """Which of several tensors that a module returns are taken for its scores; None if that is not in question."""
    if isinstance(output, Tensor) or are_named_logits(output):
        return None
    if isinstance(output, Mapping):
        return f"the module returns a dict; its only tensor is taken for the logits: {quote(next(iter(output)))}"
    return f"the module returns a {type(output).__name__}; its first element is taken for the logits"


def check_module(network: ScoreNetwork, pixels: Pixels) -> object:
    """Run a module on a batch and on a single image, to report common mistakes more clearly than the exporter does.

    Args:
        network: the module behind its normalization.
        pixels: uint8 (2, height, width, channels).

    Returns:
        What the module returns for the batch.

    Raises:
        SpecError: the module is not on the CPU, does not accept the images, or does not return float32 (N, scores).
    """
    if isinstance(network.network, Network):
        network.network.check_input(Size(*pixels.shape[1:3]))
    device = next((p.device for p in network.parameters() if p.device.type != "cpu"), None)
    if device is not None:
        raise SpecError(f"the module must be on the CPU (got {device}); call module.cpu() first")
    batch = _output(network, pixels)
    for count, output in ((2, batch), (1, _output(network, pixels[:1]))):  # some drop the batch axis for a single image
        scores = scores_in(output)
        is_row = scores.shape[:1] == (count,) and scores[0].numel() == max(scores.shape[1:], default=1)
        if scores.dtype != torch.float32 or not is_row:
            raise SpecError(
                f"the module must return float32 ({count}, classes) for a batch of {count} (got {_describe(scores)})"
            )
    return batch


def module_scores(network: ScoreNetwork, pixels: Pixels) -> Floats:
    """float32 (N, scores) of a module that `check_module` accepts. pixels: uint8 (N, height, width, channels)."""
    with torch.inference_mode():
        rows: Floats = network(torch.from_numpy(pixels.copy())).numpy()
    return rows.reshape(len(pixels), -1)


def error_line(error: BaseException) -> str:
    """The first line of an error of torch, without the colors that it has for terminals."""
    lines = _TERMINAL_COLORS.sub("", str(error)).strip().splitlines()
    return (lines or [type(error).__name__])[0]


def _output(network: ScoreNetwork, pixels: Pixels) -> object:
    try:
        with torch.inference_mode():
            return network.output(torch.from_numpy(pixels.copy()))
    except Exception as error:  # a module may raise anything
        shape = (len(pixels), pixels.shape[3], *pixels.shape[1:3])
        message = f"the module does not accept float32 {shape}: {error_line(error)}"
        raise SpecError(f"{message}{_weight_type_hint(network)}") from error


def _weight_type_hint(network: nn.Module) -> str:
    """What to do if the weights are not float32; empty if they are."""
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    return "" if dtype is None else f"; its weights are {_dtype_name(dtype)}, so pass module.float()"


def _describe(tensor: Tensor) -> str:
    return f"{_dtype_name(tensor.dtype)} {tuple(tensor.shape)}"


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

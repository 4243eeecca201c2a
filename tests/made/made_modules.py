"""Torch classifiers in the forms that other libraries give them: their outputs, and what they state about images."""

from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


def body(scores: int, *, seed: int = 0) -> nn.Sequential:
    """Build a small classifier of RGB images that returns a tensor of scores."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, scores, bias=True)
    )


class Returning(nn.Module):
    """A classifier whose scores pass through a function, e.g. into a dict."""

    def __init__(self, network: nn.Module, form: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.network, self.form = network, form

    def forward(self, x: Tensor) -> Any:
        return self.form(self.network(x))


class ModelOutput(OrderedDict):
    """Like that of transformers: an ordered dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def like_timm(scores: int = 3, *, num_classes: int = 3, **values: object) -> nn.Module:
    """Build a module with the attributes of timm's. num_classes: of its pretrained weights."""
    module = body(scores)
    pretrained = {"architecture": "tiny_net", "input_size": (3, 20, 24), "crop_mode": "squash", "crop_pct": 1.0}
    module.pretrained_cfg = {**pretrained, "num_classes": num_classes, **values}
    module.num_classes = scores
    return module


def like_transformers(scores: int = 3, **values: object) -> nn.Module:
    """Build a module with the attributes of those of transformers."""
    module = Returning(body(scores), lambda scores: ModelOutput(logits=scores, hidden_states=(scores, scores)))
    names = {index: f"class {index}" for index in range(scores)}
    config = {"id2label": names, "architectures": ["TinyForImageClassification"], "problem_type": None, **values}
    module.config = SimpleNamespace(to_dict=lambda: config)
    return module


class Processor:
    """Like an image processor of transformers."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": 20, "width": 24},
            "resample": 3,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": (0.5, 0.4, 0.3),
            "image_std": (0.25, 0.25, 0.25),
        }

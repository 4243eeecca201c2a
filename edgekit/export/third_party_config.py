"""What the configuration of a third-party model fixes: preprocessing, labels, license, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from edgekit.preprocess.scores import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyConfig:
    """What one or more configuration files of a model fix; None for what they do not.

    Attributes:
        preprocess: values for `Preprocess.from_dict`, only those that the configuration fixes.
        labels: class names, in the order of the outputs.
        bgr: whether the model expects its channels in BGR order.
        task: whether an image has one label or several.
        license: of the weights.
        model: name of the network.
        sources: for each value taken, where it comes from: {"mean": "preprocessor_config.json", ...}. Keys are the
            names of values of `preprocess`, and of the other attributes.

    Example:
        >>> from edgekit.export import ThirdPartyConfig
        >>> config = ThirdPartyConfig(labels=("cat", "dog"), sources={"labels": "config.json"})
        >>> config.source_lines()
        ('labels: config.json',)
    """

    preprocess: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    bgr: bool | None = None
    task: Task | None = None
    license: str | None = None
    model: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def over(self, other: ThirdPartyConfig) -> ThirdPartyConfig:
        """Both together: what this one does not fix comes from the other one.

        The preprocessing is not mixed: it and the channel order come from the first that fixes any of it.

        Args:
            other: what to complete this one with.
        """
        whole = ("preprocess", "bgr")
        pixels = self if self.preprocess else other
        values: dict[str, Any] = {name: getattr(pixels, name) for name in whole}
        sources = {name: source for name, source in pixels.sources.items() if name in {*pixels.preprocess, "bgr"}}
        for name in (entry.name for entry in fields(self) if entry.name not in (*whole, "sources")):
            owner = self if getattr(self, name) is not None else other
            values[name] = getattr(owner, name)
            if name in owner.sources:
                sources[name] = owner.sources[name]
        return ThirdPartyConfig(**values, sources=sources)

    def source_lines(self) -> tuple[str, ...]:
        """What was taken from where, one line for each origin: "mean, std: preprocessor_config.json"."""
        names: dict[str, list[str]] = {}
        for name, source in self.sources.items():
            names.setdefault(source, []).append(name)
        return tuple(f"{', '.join(names[source])}: {source}" for source in names)

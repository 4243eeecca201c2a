"""How a third-party model is adopted: what flags set, what its configuration fixes, and what neither does.

`adopt` uses these settings, and `inspect` lists what is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.option_values import composite
from edgekit.cli.options import flag_of
from edgekit.errors import SpecError

if TYPE_CHECKING:
    from edgekit.export.third_party import ThirdPartyModel
    from edgekit.export.third_party_config import ThirdPartyConfig

_NUMBERS = {"mean", "std", "resize", "crop", "fill"}  # whose texts are one or more numbers
# Without these there is no adoption; other fits than short-edge resize to the input size by default.
_NEEDED = ("mean", "std", "resize", "crop")
_LABEL_FILES = (".txt", ".json", ".yaml", ".yml", ".csv", ".names")
_IMAGENET = "imagenet"


def read_label_option(value: str) -> tuple[str, ...]:
    """The class names that a value of --labels stands for.

    Args:
        value: path of a file, names separated by commas, or "imagenet".

    Raises:
        DataError: it is a path, and the file cannot be read.
    """
    from edgekit.hub.registry import imagenet_labels
    from edgekit.label_files import read_labels

    path = Path(value)
    if path.exists() or path.suffix.lower() in _LABEL_FILES or path.name != value:
        return read_labels(path)
    return imagenet_labels() if value == _IMAGENET else tuple(name.strip() for name in value.split(","))


def explicit_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values for `Preprocess.with_changes` that flags set; numbers are parsed.

    Args:
        given: values by name, None for a flag that is not given.
    """
    return {name: composite(value) if name in _NUMBERS else value for name, value in given.items() if value is not None}


def preprocess_values(
    third_party: ThirdPartyModel, config: ThirdPartyConfig, explicit: Mapping[str, Any]
) -> dict[str, Any]:
    """The values for `Preprocess.with_changes`: explicit ones over the configuration over what the input implies.

    Args:
        third_party: the model.
        config: its configuration.
        explicit: values that flags set.

    Raises:
        SpecError: the configuration is for another size than the model's, and no flag sets the size.
    """
    values = {**config.preprocess, **explicit}
    size, configured = third_party.size, config.preprocess.get("crop")
    if size is not None and "crop" not in explicit and configured not in (None, tuple(size)):
        raise SpecError(
            f"{third_party.name}: the input size is {size}, but {config.sources['crop']} crops to "
            f"{'x'.join(map(str, configured or ()))}; set `crop` and `resize`"
        )
    if size is not None:
        values.setdefault("crop", size)
    if third_party.dtype == "uint8":  # such a model normalizes pixels itself
        values = {"mean": 0.0, "std": 1 / 255, **values}
    if third_party.channels == 1:
        values.setdefault("color", "L")
    return values


def missing_flags(values: Mapping[str, Any], labels: Sequence[str]) -> list[str]:
    """The flags that have to be given, because nothing else fixes what they set.

    Args:
        values: those of the preprocessing.
        labels: class names; empty if unknown.
    """
    needed = (
        _NEEDED if values.get("fit", "short-edge") == "short-edge" else [name for name in _NEEDED if name != "resize"]
    )
    return [flag_of(name) for name in needed if name not in values] + ([] if labels else ["--labels"])


def source_lines(config: ThirdPartyConfig, explicit: Collection[str]) -> tuple[str, ...]:
    """What is taken from where, one line for each origin; a flag that replaces a configured value is one.

    Args:
        config: the configuration.
        explicit: names of the values that flags set.
    """
    from dataclasses import replace

    sources = {
        name: f"{_flag(name)}, instead of {source}" if name in explicit else source
        for name, source in config.sources.items()
    }
    return replace(config, sources=sources).source_lines()


def _flag(name: str) -> str:
    return {"bgr": "--color", "model": "--name"}.get(name) or flag_of(name)

"""Converts torch modules and third-party .onnx files to edgekit models; every step is compared with its parent.

Importing this package needs the extra `onnx`; `to_onnx` needs `export`, which includes torch.

Example:
    >>> from edgekit import Preprocess
    >>> from edgekit.export import adopt, read_third_party
    >>> adoption = adopt(
    ...     read_third_party("plain.onnx"),
    ...     "adopted.onnx",
    ...     preprocess=Preprocess(resize=36, crop=32),
    ...     labels=["bolt", "nut", "washer"],
    ... )
    >>> adoption.output_kind
    'logits'
"""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily, require

require("onnx", extra="onnx")

# The module that defines each public name. They are imported on first use: only `to_onnx` needs torch.
_HOMES = {
    "Adoption": "adopt",
    "Conversion": "pipeline",
    "Interface": "finalize",
    "ThirdPartyConfig": "third_party_config",
    "ThirdPartyModel": "third_party",
    "adopt": "adopt",
    "find_config": "config_files",
    "read_third_party": "third_party",
    "simplify": "simplify",
    "to_onnx": "pipeline",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.export.adopt import Adoption as Adoption
    from edgekit.export.adopt import adopt as adopt
    from edgekit.export.config_files import find_config as find_config
    from edgekit.export.finalize import Interface as Interface
    from edgekit.export.pipeline import Conversion as Conversion
    from edgekit.export.pipeline import to_onnx as to_onnx
    from edgekit.export.simplify import simplify as simplify
    from edgekit.export.third_party import ThirdPartyModel as ThirdPartyModel
    from edgekit.export.third_party import read_third_party as read_third_party
    from edgekit.export.third_party_config import ThirdPartyConfig as ThirdPartyConfig
else:
    export_lazily(__name__, _HOMES, extra="export")

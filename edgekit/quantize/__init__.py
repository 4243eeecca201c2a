"""Quantizes a model: smaller and faster files, written only if they pass a quality gate.

Needs the extra `onnx`. `search` tries the schemes (`schemes`) in order, for a target processor (`runtime.targets`):

1. `float_source` reads the model in float32, except for layers that are int8 already (`integer_layers`).
2. The images are split into calibration and held-out images (`split_data`), decoded and cropped once (`pixel_cache`).
3. `candidates` builds the candidate model of a scheme. It measures the activations of the float network on the
   calibration images (`calibrate`), chooses their ranges (`ranges`), finds the layers that are most sensitive to
   quantization (`sensitivity`), and runs the `passes` over the graph: canonicalize, equalize, group_stem, correct_bias,
   insert_qdq, read_pixels; or only store_weights_int8, store_dense_int8 or store_float16. `weight_format` defines how
   floats become integers.
4. `held_out_evaluation` compares the candidate with its parent on the held-out images, `quality_gate` judges it:
   proven, unproven or rejected. `trials` decides which scheme is tried next, and which candidate is written; if all are
   rejected, nothing is written.
"""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

# The module that defines each public name. They are imported on first use: the names of schemes and targets need no
# onnx.
_HOMES = {
    "Gate": "quality_gate",
    "HeldOutResult": "held_out_evaluation",
    "Judgment": "quality_gate",
    "Scheme": "schemes",
    "Target": ".runtime.targets",
    "Trial": "trials",
    "quantize": "search",
    "scheme_named": "schemes",
    "target_named": ".runtime.targets",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.quantize.held_out_evaluation import HeldOutResult as HeldOutResult
    from edgekit.quantize.quality_gate import Gate as Gate
    from edgekit.quantize.quality_gate import Judgment as Judgment
    from edgekit.quantize.schemes import Scheme as Scheme
    from edgekit.quantize.schemes import scheme_named as scheme_named
    from edgekit.quantize.search import quantize as quantize
    from edgekit.quantize.trials import Trial as Trial
    from edgekit.runtime.targets import Target as Target
    from edgekit.runtime.targets import target_named as target_named
else:
    export_lazily(__name__, _HOMES, extra="onnx")

"""Smaller and faster files from a float32 one, through a gate that refuses a file that is worse.

`search` tries one scheme (`schemes`) after the other, for a processor (`targets`):

1. The images are split into calibration and held-out ones (`split_data`), decoded and cropped once (`pixel_cache`).
2. `candidates` builds the file of a scheme. It measures the float network's activations on the calibration images
   (`calibrate`), turns them into ranges (`ranges`), finds the layers that integers hurt most (`sensitivity`), and runs
   the `passes` over the graph: canonicalize, equalize, group_stem, correct_bias, insert_qdq; or store_dense_int8 or
   store_float16 alone. `weight_format` defines how floats become integers.
3. `quality_gate` compares the candidate with its parent on the held-out images. The first that passes is written.
"""

from edgekit.quantize.quality_gate import Gate as Gate
from edgekit.quantize.quality_gate import HeldOutResult as HeldOutResult
from edgekit.quantize.search import Trial as Trial
from edgekit.quantize.search import quantize as quantize

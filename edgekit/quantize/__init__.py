"""Smaller and faster files from a float32 one, through a gate that refuses a file that is worse.

The road: pictures are cut once (`store`), the float network's activations are measured on the calibration pictures
(`statistics`), their ranges chosen (`ranges`), the graph rewritten (`qdq`, `equalize`, `bias`, `storage`) as a recipe
says (`recipes`, `targets`), and the result judged on the held-out pictures (`judge`). `ladder` tries one recipe after
the other.
"""

from edgekit.quantize.quality_gate import Gate as Gate
from edgekit.quantize.quality_gate import Judgement as Judgement
from edgekit.quantize.search import Trial as Trial
from edgekit.quantize.search import quantize as quantize

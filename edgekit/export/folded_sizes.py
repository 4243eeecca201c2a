"""Computes what does not depend on the image once, in a bounded child process, so that the guard can predict the rest.

The guard refuses operators whose output has a size that depends on data, such as NonZero, because only a run would show
how much work that makes. If the data are constants, onnxsim can run these operators beforehand. That could exhaust
memory or time, so it runs under limits of the operating system.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import DEFAULT_MAX_BYTES
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.files import read_regular_file
from edgekit.runtime.child_process import run_python

TIME_LIMIT_S = 300
_MEMORY_BYTES = 2**31  # Swin-T (115 MB) needs less than 2 GB of address space; in addition:
_COPIES = 6  # of the model
# It compares the outputs with those of the original for random pixels.
_PROGRAM = """
import resource, sys
for limit, value in ((resource.RLIMIT_AS, sys.argv[3]), (resource.RLIMIT_CPU, sys.argv[4])):
    resource.setrlimit(limit, (int(value), int(value)))
resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
import onnx, onnxsim
model, is_equal = onnxsim.simplify(sys.argv[1], check_n=1, check_rtol=1e-3, check_atol=1e-4, certify=False)
if not is_equal:
    sys.exit("the outputs changed")
onnx.save(model, sys.argv[2])
"""


def with_folded_sizes(model: bytes, *, name: str, refusal: ArtifactError) -> bytes:
    """Replace sizes that a graph computes by constants, and validate the result.

    Args:
        model: content of an ONNX file that was refused because of such sizes, and for nothing before that.
        name: what messages call it.
        refusal: why it was refused.

    Returns:
        The content of an ONNX file with the same outputs.

    Raises:
        ArtifactError: `refusal`, with what went wrong: the sizes depend on the input, or a limit was exceeded.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(model)
        limits = (str(_MEMORY_BYTES + _COPIES * len(model)), str(TIME_LIMIT_S))
        try:
            run_python("-c", _PROGRAM, source, target, *limits, timeout_s=TIME_LIMIT_S, folder=Path(folder))
            folded = read_regular_file(target, max_bytes=DEFAULT_MAX_BYTES, error=ArtifactError)
            check_model(folded, name=name, input_shape=None)
        except EdgekitError:
            raise unhelpful_simplification(refusal) from None
    return folded


def unhelpful_simplification(refusal: ArtifactError) -> ArtifactError:
    """The error for a model that stays refused."""
    return ArtifactError(
        f"{refusal}; simplifying it under limits of {TIME_LIMIT_S} s and memory did not help: export it with a fixed "
        f"input size, or run onnxsim on it first"
    )

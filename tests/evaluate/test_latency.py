"""Two models measured in turn."""

import numpy as np
from made_models import CROP

from edgekit.evaluate.latency import paired_latency
from edgekit.runtime.session import open_session


def test_a_model_against_itself_is_about_as_fast(tiny_artifact):
    first, second = (open_session(tiny_artifact.read_bytes(), name="tiny", threads=1) for _ in range(2))
    latency = paired_latency(first, second, np.zeros((1, *CROP, 3), np.uint8), threads=1)
    assert 0.2 < latency.speedup < 5
    assert 0 < latency.baseline_ms < 100
    assert latency.to_dict()["threads"] == 1

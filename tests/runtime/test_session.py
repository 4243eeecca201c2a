"""Sessions: their threads, and the errors of onnxruntime."""

import onnxruntime
import pytest
from made_models import tiny_model

from edgekit.errors import ArtifactError, SpecError
from edgekit.runtime import run_limits
from edgekit.runtime.session import SessionOptions, open_session


@pytest.mark.parametrize("value", [0, -1, 2.5, "x", 10**6])
def test_open_session_rejects_an_invalid_number_of_threads(value):
    with pytest.raises(SpecError, match="`threads` must be an integer from 1 to 256"):
        open_session(tiny_model().SerializeToString(), name="m", options=SessionOptions(threads=value))


def test_open_session_sets_the_threads_and_a_short_spinning():
    options = open_session(
        tiny_model().SerializeToString(), name="m", options=SessionOptions(threads=3)
    ).get_session_options()
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert int(options.get_session_config_entry("session.intra_op.spin_duration_us")) <= 50
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


def test_open_session_reports_a_rejected_model_in_one_line_and_prints_nothing(capfd):
    unknown = tiny_model()
    unknown.graph.node[0].op_type = "NoSuchOperator"
    for data in (b"", b"\x08\x07junk", unknown.SerializeToString()):
        with pytest.raises(ArtifactError, match=r"^m: onnxruntime cannot load it: ") as caught:
            open_session(data, name="m")
        assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_open_session_does_not_blame_the_model_for_a_wrong_setting(monkeypatch):
    """In the environment of a process that has no arena yet: the setting is read once."""
    monkeypatch.setattr(run_limits, "_register_arena", run_limits.run_megabytes)
    monkeypatch.setenv("EDGEKIT_RUN_MEMORY_MB", "plenty")
    with pytest.raises(SpecError, match=r"^`EDGEKIT_RUN_MEMORY_MB` must be an integer"):
        open_session(tiny_model().SerializeToString(), name="m")

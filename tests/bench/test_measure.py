"""What is measured of a file, and which files are taken."""

import numpy as np
import pytest
from made_models import tiny_model, write_tiny
from onnx import TensorProto

from edgekit.bench import operators as profile
from edgekit.bench import roofline
from edgekit.bench.measure import measure, noise, steps
from edgekit.bench.result import Bench, Speedup
from edgekit.bench.subject import as_naive, open_subject, parent_of
from edgekit.cost import total
from edgekit.errors import ArtifactError
from edgekit.evaluate.intervals import Interval
from edgekit.graph.layer_costs import layers
from edgekit.hub.shipped import shipped_models
from edgekit.image.synthetic import write_drawn
from edgekit.zoo.specs import SPECS


@pytest.mark.parametrize("name", ["lenet5-mnist", "lenet5-mnist-int8", "mobilenet_v2-cifar10-int8"])
def test_macs_are_those_that_the_layers_count(name):
    subject = open_subject(name)
    assert profile.macs(subject) == total(layers(subject.model, name=name)).macs > 0


def test_macs_of_a_strangers_file(shared):
    subject = open_subject(shared / "weights/mobilenet_v2_imagenet_plain.onnx")
    assert profile.macs(subject) == SPECS["mobilenet_v2"].macs
    assert subject.info is None


def test_operators_are_shares_of_one():
    rows = profile.operators(open_subject("lenet5-mnist-int8"))
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert [row.share for row in rows] == sorted((row.share for row in rows), reverse=True)
    assert next(row.nodes for row in rows if row.kind == "QLinearConv") == 3


@pytest.mark.parametrize("int8", [False, True])
def test_the_roofline_multiplies_matrices(int8):
    made = roofline.product(int8=int8, threads=1)()[0]
    rng = np.random.default_rng(0)
    right, left = rng.integers(-64, 65, (512, 512)), rng.integers(0, 256, (512, 512))
    np.testing.assert_allclose(made, left.astype(np.float64) @ right, rtol=1e-5, atol=2)


def test_the_parent_lies_beside_and_is_known_by_its_checksum(tmp_path):
    assert parent_of(open_subject("lenet5-mnist-int8")).path == shipped_models()["lenet5-mnist"]
    with pytest.raises(ArtifactError, match="no float32 parent"):
        parent_of(open_subject("lenet5-mnist"))
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(shipped_models()["lenet5-mnist-int8"].read_bytes())
    with pytest.raises(ArtifactError, match="does not lie beside"):
        parent_of(open_subject(alone))


def test_other_inputs_are_refused(tmp_path):
    model = tiny_model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(ArtifactError, match="one float32 or uint8 input"):
        open_subject(write_tiny(tmp_path / "int64.onnx", model))
    batch = tiny_model()
    batch.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7
    with pytest.raises(ArtifactError, match="one picture"):
        open_subject(write_tiny(tmp_path / "seven.onnx", batch))


def test_everything_is_measured(tmp_path):
    subject = open_subject("lenet5-mnist-int8")
    seen = []
    bench = measure(
        [as_naive(subject), subject],
        {1: 0},
        picture=write_drawn(tmp_path),
        threads=[1],
        rounds=6,
        on_step=lambda: seen.append(1),
    )
    assert len(seen) == steps(6)
    naive, ours = bench.to_dict()["models"]
    assert (naive["style"], naive["network"][0]["threads"]) == ("naive", 0)
    for one in (naive, ours):
        assert one["macs"] == SPECS["lenet5"].macs
        assert one["cold_start_ms"] > one["session_ms"] > 0
        assert 20e6 < one["peak_memory_bytes"] < 2e9
        latency = one["network"][0]["latency"]
        assert 0 < latency["p50_ms"] <= latency["p95_ms"] <= latency["p99_ms"]
        assert one["file_to_label"]["p50_ms"] > 0
        assert one["network"][0]["peak_share"] > 0
    said = {one["what"] for one in bench.to_dict()["speedups"]}
    assert said == {"cold start", "session", "network, 1 thread", "file to label", "throughput"}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.7, 1.4, "too noisy to tell"), (1.1, 1.6, "noisy"), (0.97, 1.05, "no difference can be told"), (1.5, 1.6, "")],
)
def test_a_ratio_says_what_it_is_worth(low, high, verdict):
    times = Interval(value=(low + high) / 2, low=low, high=high)
    one = Speedup(baseline="a", other="b", what="network", times=times)
    assert one.verdict == verdict
    assert Bench(measured=(), speedups=(one,), peaks={}, noise=0.0).to_dict()["speedups"][0]["verdict"] == verdict


def test_noise_is_that_of_the_product_that_was_disturbed_most():
    steady, rising = np.ones((10, 3)), np.linspace(1, 2, 10)[:, None] * np.ones(3)
    models = {(0, "network", 1): rising * 9}  # what is measured is no measure of the machine
    assert noise(models | {(-1, "float32", 1): steady, (-1, "int8", 1): steady}) == 0
    disturbed = noise(models | {(-1, "float32", 1): steady, (-1, "int8", 2): rising})
    assert disturbed == pytest.approx(0.8 / 1.5)
    assert Bench(measured=(), speedups=(), peaks={}, noise=disturbed).to_dict()["noisy"]

"""Activation statistics and histograms, compared with numpy's over all images at once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_networks import conv_network, noise

from edgekit.errors import DataError
from edgekit.quantize.calibrate import ActivationSession, activation_histograms, activation_statistics
from edgekit.quantize.passes.insert_qdq import quantized_tensors

MADE = Path(__file__).parents[1] / "made"


def test_activation_statistics_and_histograms_agree_with_numpy_over_all_images():
    model, images = conv_network(), noise(12)
    names = quantized_tensors(model)
    statistics = activation_statistics(model, names, images=images)
    histograms = activation_histograms(model, statistics, images=images)
    session = ActivationSession(model, names)
    runs = [session.run(image) for image in images]
    assert {"normalized", "stem_relu6", "expand_relu6", "residual", "flat"} <= names
    assert "stem" not in names  # its Clip is merged into it
    for name in names:
        values = np.stack([run[name][0] for run in runs])
        tensor = statistics[name]
        assert (tensor.lowest, tensor.highest) == (values.min(), values.max())
        other_axes = tuple(axis for axis in range(values.ndim) if axis != 1)
        np.testing.assert_allclose(tensor.channel_mean, values.mean(axis=other_axes), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(tensor.channel_highest, values.max(axis=other_axes))
        expected, _ = np.histogram(values, len(histograms[name].counts), (values.min(), values.max()))
        assert histograms[name].counts.sum() == values.size
        # Values at the edges of bins may fall into either bin, because of float32 rounding.
        assert np.abs(histograms[name].counts - expected).sum() <= 0.01 * values.size + 4


def test_activation_statistics_moving_average_weights_each_image_by_a_tenth():
    model, images = conv_network(), noise(3)
    name = "stem_relu6"
    highest = [float(run[name].max()) for run in map(ActivationSession(model, [name]).run, images)]
    expected = 0.9 * (0.9 * highest[0] + 0.1 * highest[1]) + 0.1 * highest[2]
    statistics = activation_statistics(model, [name], images=images)
    assert statistics[name].average_highest == pytest.approx(expected)


def test_activation_statistics_without_images_raises():
    with pytest.raises(DataError, match="at least one calibration image"):
        activation_statistics(conv_network(), ["stem_relu6"], images=[])


PROGRAM = """
import sys
from made_networks import conv_network, noise
from edgekit.image.size import Size
from edgekit.quantize.passes.insert_qdq import quantized_tensors
from edgekit.quantize.ranges import tensor_ranges
from edgekit.quantize.calibrate import activation_histograms, activation_statistics
crop = Size(112, 112)
model, pixels = conv_network(crop=crop, channels=32), noise(2, crop=crop)
def images():
    for index in range(int(sys.argv[1])):
        yield pixels[index % 2]
statistics = activation_statistics(model, quantized_tensors(model), images=images())
histograms = activation_histograms(model, statistics, images=images())
assert len(tensor_ranges(statistics, histograms, calibrator="mse")) == len(statistics)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_calibration_memory_does_not_grow_with_the_number_of_images():
    peaks = []
    for count in (8, 80):
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(MADE)!r})\n{PROGRAM}", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 20  # the activations of one image are 9 MB, those of 72 more would be 650 MB
    assert peaks[1] < 500

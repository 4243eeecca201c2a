"""The public names."""

import subprocess
import sys

import pytest

import edgekit

PUBLIC = {
    "ArtifactInfo",
    "Classifier",
    "CropPlan",
    "EdgekitError",
    "Ensemble",
    "ImageLimits",
    "ModelLimits",
    "Prediction",
    "Preprocess",
    "Score",
    "Size",
    "__version__",
}


def test_the_public_names_are_these():
    assert set(edgekit.__all__) == PUBLIC
    assert len(edgekit.__all__) == len(PUBLIC)
    for name in PUBLIC:
        assert getattr(edgekit, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        edgekit.Clasifier  # noqa: B018


def test_telemetry_is_off_before_onnxruntime_can_be_imported():
    program = "import os; import edgekit; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "1\n"

"""Targets and devices: what people name, what it maps to, and what this machine can measure."""

import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest
from made_models import write_tiny

from edgekit import Classifier
from edgekit.artifact.info import read_info, write_info
from edgekit.cli.quantize import run
from edgekit.dataset import ImageSet
from edgekit.errors import SpecError
from edgekit.export.parity_inputs import sample_sources
from edgekit.hub.built_in import built_in_models
from edgekit.quantize.candidates import CandidateBuilder
from edgekit.quantize.float_source import read_float_source
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.quantize.schemes import SCHEMES
from edgekit.runtime import targets
from edgekit.runtime.cpu import VNNI as VNNI_FEATURES
from edgekit.runtime.cpu import int8_features
from edgekit.runtime.targets import (
    DEVICES,
    TARGETS,
    bundle_platform,
    is_measured_here,
    is_timed_here,
    speed_warning,
    target_named,
    this_machine,
)
from edgekit.stages import no_progress

EMULATOR = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
VNNI_HERE = bool(VNNI_FEATURES & set(int8_features()))
EMULATED = ("x86-vnni", "arm64")  # the depthwise layers for the web are float32
VNNI, AVX2, ARM = ("x86_64", ["avx2", "avx512_vnni"]), ("x86_64", ["avx2"]), ("aarch64", ["asimddp"])


@pytest.fixture
def on(monkeypatch):
    def pretend(processor: str, flags: list[str]) -> None:
        monkeypatch.setattr(targets.platform, "machine", lambda: processor)
        monkeypatch.setattr(targets, "int8_features", lambda: flags)

    return pretend


@pytest.mark.parametrize(
    ("processor", "flags", "expected"),
    [
        ("x86_64", ["avx2", "avx512f", "avx512_vnni"], "x86-vnni"),
        ("AMD64", ["avx2", "avx_vnni"], "x86-vnni"),
        ("x86_64", ["avx2", "avx512f"], "x86-avx2"),
        ("x86_64", [], "x86-avx2"),
        ("aarch64", ["asimddp"], "arm64"),
        ("arm64", [], "arm64"),
    ],
)
def test_this_machine_is_detected_by_its_instruction_set(on, processor, flags, expected):
    on(processor, flags)
    assert this_machine().name == expected


def test_targets_saturate_only_without_vnni():
    assert [target.name for target in TARGETS.values() if target.saturating] == ["x86-avx2"]


@pytest.mark.parametrize(
    ("device", "target", "platform"),
    [
        ("raspberry-pi-5", "arm64", "python"),
        ("raspberry-pi-4", "arm64", "python"),
        ("jetson-cpu", "arm64", "python"),
        ("apple-silicon", "arm64", "python"),
        ("android", "arm64", "android"),
        ("iphone", "arm64", "ios"),
        ("browser", "web", "web"),
        ("x86", "x86-avx2", "python"),
    ],
)
def test_target_named_accepts_devices(device, target, platform):
    assert target_named(device) is TARGETS[target]
    assert (bundle_platform(device), bundle_platform(target)) == (platform, "web" if target == "web" else "python")


def test_help_of_quantize_names_every_target_and_device():
    (option,) = run.__annotations__["target"].split("Option", 1)[1:]
    assert [name for name in (*TARGETS, *DEVICES) if name not in option] == []


@pytest.mark.parametrize("name", ["raspberry-pi5", "int9", 3])
def test_target_named_suggests_close_names(name):
    with pytest.raises(SpecError, match="raspberry-pi-5" if name == "raspberry-pi5" else "unknown target"):
        target_named(name)


@pytest.mark.parametrize(
    ("machine", "measured", "timed"),
    [
        (VNNI, {"x86-vnni", "x86-avx2"}, {"x86-vnni", "x86-avx2", "web", None}),
        (AVX2, {"x86-avx2"}, {"x86-vnni", "x86-avx2", "web", None}),
        (ARM, {"arm64"}, {"x86-vnni", "x86-avx2", "web", "arm64", None}),
    ],
)
def test_speed_is_measured_only_on_such_a_machine(on, machine, measured, timed):
    on(*machine)
    assert {name for name, target in TARGETS.items() if is_measured_here(target)} == measured
    assert {name for name in (*TARGETS, None) if is_timed_here(name)} == timed


KEYS = PRECISE, SIGNED = ("session.x64quantprecision", "session.qdqisint8allowed")
SETTINGS = {  # with VNNI or on Arm; with AVX2 alone
    None: (set(), set()),
    "of-the-future": (set(), set()),
    "x86-vnni": (set(), {PRECISE}),
    "x86-avx2": (set(), set()),
    "arm64": ({SIGNED}, {SIGNED}),
    "web": (set(), {PRECISE}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_classifier_computes_a_file_as_its_target_does(tmp_path, on, name):
    model = write_tiny(tmp_path / "tiny.onnx", parity={"quantize": {"target": name}} if name else {})
    for machine, expected in zip((VNNI, ARM, AVX2), (*SETTINGS[name][:1] * 2, SETTINGS[name][1]), strict=True):
        on(*machine)
        options = Classifier(model)._model._session_here().get_session_options()
        for key in KEYS:
            if key in expected:
                assert options.get_session_config_entry(key) == "1"
            else:
                with pytest.raises(RuntimeError, match=key):
                    options.get_session_config_entry(key)


@pytest.mark.parametrize(
    ("machine", "slow"),
    [
        (VNNI, {"arm64"}),
        (AVX2, {"arm64", "x86-vnni", "web"}),
        (ARM, set()),
        (("x86_64", []), {"arm64"}),  # whether it has VNNI is not known
    ],
)
def test_speed_warning_names_the_target_that_is_slow_here(on, machine, slow):
    on(*machine)
    warnings = {name: speed_warning(name) for name in SETTINGS}
    assert {name for name, warning in warnings.items() if warning} == slow
    assert all(f"for the target {name!r}, " in warnings[name] for name in slow)


@pytest.mark.parametrize("name", ["lenet5-mnist-int8", "mobilenet_v2-cifar10-int8"])
def test_built_in_models_are_fast_on_every_processor(name):
    assert read_info(built_in_models()[name]).target == "x86-avx2"


_PROGRAM = """
import sys
import numpy as np
from edgekit import Classifier
from edgekit.runtime import targets
targets.int8_features = sys.argv[1].split  # /proc/cpuinfo is that of the machine, in an emulator too
pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
for path in sys.argv[2:]:
    with Classifier(path, threads=1) as classifier:
        print(classifier.logits(pixels).tobytes().hex())
"""


@pytest.mark.slow
@pytest.mark.skipif(not VNNI_HERE or EMULATOR is None, reason="needs VNNI, and qemu-x86_64 to do without")
def test_files_for_any_target_are_exact_without_vnni(tmp_path):
    """Without the settings, logits differ by up to half of the largest one on a processor that has AVX2 alone."""
    source = read_float_source(built_in_models()["mobilenet_v2-cifar10"])
    images, names = sample_sources(None, 16)
    files = []
    with PixelCache(ImageSet((), images, names, (0,) * 16), source.info.preprocess) as pixels:
        for name in EMULATED:
            builder = CandidateBuilder(source.model, pixels, target=TARGETS[name], progress=no_progress)
            files.append(tmp_path / f"{name}.onnx")
            info = dataclasses.replace(source.info, precision="int8", parity={"quantize": {"target": name}})
            write_info(builder.build(SCHEMES["int8"]), info, files[-1])
    here, there = (
        subprocess.run(
            [*emulator, sys.executable, "-c", _PROGRAM, features, *files], capture_output=True, text=True, check=True
        )
        for emulator, features in (((), "avx2 avx512_vnni"), ((EMULATOR, "-cpu", "Haswell"), "avx2"))
    )
    logits = [[np.frombuffer(bytes.fromhex(line), np.float32) for line in run.stdout.split()] for run in (here, there)]
    for name, expected, emulated in zip(EMULATED, *logits, strict=True):
        np.testing.assert_array_equal(emulated, expected, err_msg=name)

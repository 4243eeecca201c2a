"""Quantization from a float32 file to a verified int8 file: the built-in LeNet-5 on MNIST, and a synthetic network."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_networks import IMAGES, LABELS, conv_network, network_info, noise, write_network
from made_precisions import SOME_LAYERS, in_float16, in_int8
from made_reports import drawn_images

from edgekit import Classifier, dataset
from edgekit.artifact.info import read_info, write_info
from edgekit.artifact.sidecar import read_sidecar
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, DataError, QualityGateError, SpecError
from edgekit.evaluate.accuracy import measure_accuracy
from edgekit.files import sha256
from edgekit.hub.built_in import built_in_models
from edgekit.quantize import Gate, quantize
from edgekit.quantize.integer_layers import layer_counts
from edgekit.quantize.schemes import SCHEMES, SEARCH_ORDER
from edgekit.quantize.search import schemes_for
from edgekit.runtime.targets import TARGETS, is_measured_here, this_machine

ANY_SPEED = Gate(min_speedup=0)
ANYTHING = Gate(max_drop=100, min_speedup=0)


@pytest.fixture(scope="module")
def digits(shared: Path) -> tuple[ImageSet, ImageSet]:
    """Calibration and held-out digits of MNIST."""
    training, validation = (dataset.read(shared / "data/mnist", split) for split in ("train", "val"))
    return training.sample(64, seed=0), validation.sample(300, seed=0)


@pytest.fixture(scope="module")
def lenet5() -> Path:
    return built_in_models()["lenet5-mnist"]


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    return write_network(tmp_path_factory.mktemp("network") / "network.onnx")


@pytest.fixture(scope="module")
def images(network) -> tuple[ImageSet, ImageSet]:
    """Calibration and held-out noise, labeled with the network's predictions."""
    arrays = [array[0] for array in noise(60)]
    with Classifier(network) as classifier:
        labels = tuple(classifier.predict(array).top[0].index for array in arrays)
    all_images = ImageSet(LABELS, arrays, tuple(f"noise-{i}" for i in range(60)), labels)
    return all_images.subset(range(16)), all_images.subset(range(16, 60))


def unlabeled(images: ImageSet) -> ImageSet:
    return dataclasses.replace(images, classes=(), labels=(0,) * len(images))


def test_quantize_writes_a_smaller_file_with_its_measurements(lenet5, digits, tmp_path):
    path = tmp_path / "int8.onnx"
    trial = quantize(lenet5, path, calibration=digits[0], held_out=digits[1], gate=ANY_SPEED)
    info, result = read_info(path), trial.result
    assert result.child.top1 >= 0.97
    assert path.stat().st_size < lenet5.stat().st_size / 2
    assert result.size_bytes == pytest.approx(
        path.stat().st_size, rel=0.02
    )  # measured without the results in its metadata
    assert info.precision == "int8"
    assert info.parent_sha256 == sha256(lenet5.read_bytes())
    assert info.calibration["images"] == 64
    assert info.metrics == result.child.to_dict()
    evidence = info.parity["quantize"]
    assert (evidence["parent_top1"], evidence["recipe"]) == (result.parent.top1, trial.scheme.name)
    assert info.warning is None
    assert read_sidecar(path)["latency"]["speedup"] == result.speedup


@pytest.mark.parametrize(
    ("target", "scheme", "grouped"),
    [
        ("x86-vnni", "int8", True),
        ("x86-vnni", "int8-equalized", False),
        ("x86-vnni", "int8-mixed-20", False),
        ("x86-avx2", "int8", False),
    ],
)
def test_quantize_groups_pixels_only_where_it_is_faster(network, images, tmp_path, target, scheme, grouped):
    path, options = tmp_path / "int8.onnx", {"schemes": [SCHEMES[scheme]], "target": TARGETS[target]}
    quantize(network, path, calibration=images[0], held_out=images[1], gate=ANYTHING, **options)
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert ("Reshape" in operators) == grouped


def test_quantize_twice_gives_the_same_bytes(network, images, tmp_path):
    written = []
    for name in ("first", "second"):
        path = tmp_path / f"{name}.onnx"
        quantize(network, path, calibration=images[0], held_out=images[1], gate=ANYTHING)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_quantize_writes_nothing_if_accuracy_drops_too_much(lenet5, digits, tmp_path):
    # Ranges measured on nearly black images clip every real image.
    rng = np.random.default_rng(0)
    dark = [rng.integers(0, 20, (28, 28)).astype(np.uint8) for _ in range(len(digits[0]))]
    dark = dataclasses.replace(digits[0], sources=dark)
    with pytest.raises(
        QualityGateError, match=r"^scheme int8 loses \d+\.\d+ percentage points of top-1 .* nothing was written"
    ):
        quantize(
            lenet5,
            tmp_path / "int8.onnx",
            calibration=dark,
            held_out=digits[1],
            gate=ANY_SPEED,
            schemes=[SCHEMES["int8"]],
        )
    assert list(tmp_path.iterdir()) == []


def test_quantize_writes_nothing_if_no_scheme_is_fast_enough(network, images, tmp_path):
    with pytest.raises(
        QualityGateError, match=r"^none of 2 schemes passes the quality gate; .* speed .*`min_speedup` requires 1000"
    ):
        quantize(
            network,
            tmp_path / "int8.onnx",
            calibration=images[0],
            held_out=images[1],
            gate=Gate(max_drop=100, min_speedup=1000),
            schemes=SEARCH_ORDER[:2],
        )
    assert list(tmp_path.iterdir()) == []


def test_quantize_with_allow_worse_writes_the_closest_candidate_and_marks_it(network, images, tmp_path):
    trial = quantize(
        network,
        tmp_path / "int8.onnx",
        calibration=images[0],
        held_out=images[1],
        gate=Gate(max_drop=100, min_speedup=1000),
        schemes=SEARCH_ORDER[:1],
        allow_worse=True,
    )
    assert not trial.passed
    assert "`min_speedup` requires 1000" in read_info(tmp_path / "int8.onnx").warning


def test_quantize_stops_at_the_first_scheme_that_passes_unless_try_all(network, images, tmp_path):
    tried = []
    for try_all in (False, True):
        quantize(
            network,
            tmp_path / "int8.onnx",
            calibration=images[0],
            held_out=images[1],
            gate=ANYTHING,
            schemes=SEARCH_ORDER[:2],
            try_all=try_all,
            on_trial=tried.append,
        )
    assert [trial.scheme.name for trial in tried] == ["int8", "int8", "int8-mse"]


def test_quantize_marks_what_few_images_cannot_prove(network, images, tmp_path):
    path, data = tmp_path / "int8.onnx", {"calibration": images[0], "held_out": images[1]}
    trial = quantize(network, path, **data, gate=ANYTHING)
    evidence = read_info(path).parity["quantize"]
    assert (trial.passed, trial.verdict, evidence["verdict"], evidence["max_drop"]) == (
        True,
        "unproven",
        "unproven",
        100,
    )
    assert evidence["doubt"] == trial.doubt
    assert "44 held-out images resolve +-" in trial.doubt
    assert "about 200 would settle it" in trial.doubt
    assert read_info(path).warning is None
    strict, written = dataclasses.replace(ANYTHING, strict=True), path.read_bytes()
    message = (
        r"^scheme int8 is unproven \(44 held-out images .* settle it\), which `strict` rejects; nothing was written"
    )
    with pytest.raises(QualityGateError, match=message):  # no other scheme is tried: 44 images prove nothing
        quantize(network, path, **data, gate=strict)
    assert path.read_bytes() == written


@pytest.fixture(scope="module")
def many_images(network) -> tuple[ImageSet, ImageSet]:
    """Noise as above, of which more is held out than the gate needs to prove anything."""
    arrays = [array[0] for array in noise(416)]
    with Classifier(network) as classifier:
        labels = tuple(classifier.predict(array).top[0].index for array in arrays)
    all_images = ImageSet(LABELS, arrays, tuple(f"noise-{i}" for i in range(416)), labels)
    return all_images.subset(range(16)), all_images.subset(range(16, 416))


def test_quantize_goes_on_past_an_unproven_scheme_and_writes_the_first_if_none_is_proven(
    network, many_images, tmp_path
):
    """The limit is a little within the interval of the first scheme; those of the other schemes are wider."""
    data, trials = {"calibration": many_images[0], "held_out": many_images[1], "target": TARGETS["arm64"]}, []
    proven = quantize(network, tmp_path / "int8.onnx", **data, gate=ANYTHING)
    assert (proven.verdict, proven.judgment.loss.value > 0) == ("proven", True)
    gate = Gate(max_drop=proven.judgment.loss.high - 0.01, min_speedup=0)
    best = quantize(network, tmp_path / "first.onnx", **data, gate=gate, on_trial=trials.append)
    assert best.scheme.name == "int8"
    assert {trial.verdict for trial in trials} == {"unproven"}
    assert [trial.scheme for trial in trials] == [scheme for scheme in SEARCH_ORDER if scheme.storage == "integers"]
    assert [trial.tried for trial in trials] == [*range(1, len(trials) + 1)]
    again = quantize(network, tmp_path / "again.onnx", **data, gate=gate, schemes=SEARCH_ORDER[:1])
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()
    assert again.verdict == "unproven"


def test_quantize_strictly_prefers_a_proven_scheme_with_any_arithmetic(network, many_images, tmp_path):
    data, trials = {"calibration": many_images[0], "held_out": many_images[1], "target": TARGETS["arm64"]}, []
    loss = quantize(network, tmp_path / "int8.onnx", **data, gate=ANYTHING).judgment.loss
    gate, schemes = (
        Gate(max_drop=loss.high - 0.01, min_speedup=0),
        [SCHEMES[n] for n in ("int8", "float16", "int8-mse")],
    )
    options = {**data, "schemes": schemes, "on_trial": trials.append}
    assert quantize(network, tmp_path / "fast.onnx", **options, gate=gate).scheme.name == "int8"
    assert "float16" not in [trial.scheme.name for trial in trials]
    strict = quantize(network, tmp_path / "sure.onnx", **options, gate=dataclasses.replace(gate, strict=True))
    assert (strict.scheme.name, strict.verdict) == ("float16", "proven")


def test_quantize_does_not_replace_the_float_file(network, images):
    with pytest.raises(SpecError, match="would replace the input file"):
        quantize(network, network, calibration=images[0], held_out=images[1], gate=ANYTHING)


def test_quantize_does_not_replace_a_document_of_others_beside_its_output(network, images, tmp_path):
    (tmp_path / "small.json").write_text('["ants", "bees"]')
    with pytest.raises(SpecError, match=r"small\.json: was not written by edgekit and would be replaced"):
        quantize(network, tmp_path / "small.onnx", calibration=images[0], held_out=images[1])
    assert (tmp_path / "small.json").read_text() == '["ants", "bees"]'


def test_quantize_compares_with_the_model_given_as_against(network, images, tmp_path):
    """A network without activations has different outputs, however well it is quantized."""
    other = write_network(tmp_path / "other.onnx", conv_network(activation="none"))
    data = {"calibration": images[0], "held_out": images[1]}
    with_source = quantize(other, tmp_path / "with_source.onnx", **data, gate=ANYTHING)
    with_reference = quantize(other, tmp_path / "with_reference.onnx", **data, gate=ANYTHING, against=network)
    assert with_source.result.divergence < with_reference.result.divergence / 10
    assert with_reference.result.parent.top1 == 1.0
    info = read_info(tmp_path / "with_reference.onnx")
    assert info.parent_sha256 == sha256(other.read_bytes())
    assert info.parity["quantize"]["against_sha256"] == sha256(network.read_bytes())
    assert "against_sha256" not in read_info(tmp_path / "with_source.onnx").parity["quantize"]


def test_quantize_raises_if_the_reference_has_other_labels(network, lenet5, images, tmp_path):
    with pytest.raises(DataError, match="`against` must have the same labels"):
        quantize(network, tmp_path / "int8.onnx", calibration=images[0], held_out=images[1], against=lenet5)


@pytest.mark.slow
def test_every_scheme_writes_a_file_that_agrees_with_its_parent(network, images, tmp_path):
    for scheme in SCHEMES.values():
        if scheme.storage == "dense-int8":  # this network has no layer that is large enough
            continue
        trial = quantize(
            network,
            tmp_path / "small.onnx",
            calibration=images[0],
            held_out=images[1],
            gate=ANYTHING,
            schemes=[scheme],
        )
        assert trial.result.parity.agreement >= 0.9, scheme.name
        assert Classifier(tmp_path / "small.onnx").info.precision == scheme.precision


def test_quantize_without_labels_checks_agreement_and_divergence(network, images, tmp_path):
    calibration, held_out = map(unlabeled, images)
    path = tmp_path / "int8.onnx"
    trial = quantize(network, path, calibration=calibration, held_out=held_out, gate=ANY_SPEED)
    assert trial.result.drop is None
    assert trial.result.parity.agreement >= 0.95
    assert read_info(path).metrics is None
    strict = Gate(min_agreement=100.5, max_divergence=0.0, min_speedup=0)
    with pytest.raises(
        QualityGateError, match=r"`min_agreement` requires 100\.5\) and has a mean KL .*`max_divergence` allows 0\)"
    ):
        quantize(network, path, calibration=calibration, held_out=held_out, gate=strict, schemes=SEARCH_ORDER[:1])


@pytest.fixture(scope="module")
def three_sets(network) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Noise to measure ranges on, to judge, and of these the images to fit a temperature of 0.5 to."""
    images = drawn_images(network, 276, temperature=0.5)
    return images.subset(range(16)), images.subset(range(16, 276)), images.subset(range(136, 276))


def test_quantize_measures_the_calibration_error_on_images_that_no_temperature_is_fitted_to(
    network, three_sets, tmp_path
):
    calibration, held_out, fit = three_sets
    for name, temperature_images in (("without", None), ("with", fit)):
        quantize(
            network,
            tmp_path / f"{name}.onnx",
            calibration=calibration,
            held_out=held_out,
            temperature_images=temperature_images,
            gate=ANYTHING,
        )
    without, fitted = (read_info(tmp_path / f"{name}.onnx") for name in ("without", "with"))
    low, high = fitted.temperature_fit["interval"]
    assert without.temperature is None
    assert low < 0.5 < high
    assert fitted.temperature_fit["images"] == 140
    assert set(fitted.metrics) - set(without.metrics) == {"ece_images", "ece", "uncalibrated_ece"}
    assert {name: fitted.metrics[name] for name in without.metrics} == without.metrics
    with Classifier(tmp_path / "with.onnx") as classifier:
        accuracy = measure_accuracy(classifier, held_out)
    measured = accuracy.to_dict() | accuracy.calibration_errors(np.arange(len(held_out)) < 120)
    assert measured["ece_images"] == 120
    assert fitted.metrics == pytest.approx(measured, abs=1e-3)
    assert fitted.parity == without.parity


def test_quantize_keeps_the_temperature_of_its_source_if_it_fits_none(network, three_sets, tmp_path):
    calibration, held_out, fit = three_sets
    warm, info = tmp_path / "warm.onnx", read_info(network)
    write_info(network.read_bytes(), dataclasses.replace(info, temperature=0.25), warm)
    options = {"calibration": calibration, "held_out": held_out, "gate": ANYTHING}
    quantize(warm, tmp_path / "kept.onnx", **options)
    assert read_info(tmp_path / "kept.onnx").temperature == 0.25
    assert "ece" not in read_info(tmp_path / "kept.onnx").metrics  # the images may be those that it was fitted to
    quantize(warm, tmp_path / "fitted.onnx", **options, temperature_images=fit)
    assert read_info(tmp_path / "fitted.onnx").temperature > 0.3


def test_quantize_raises_for_images_that_cannot_fit_a_temperature(network, three_sets, tmp_path):
    calibration, held_out, fit = three_sets
    options = {"calibration": calibration, "held_out": held_out}
    for images, message in (
        (fit.subset(range(99)), "at least 100 images"),
        (unlabeled(fit), "must be labeled images"),
        (dataclasses.replace(fit, names=calibration.names[:1] + fit.names[1:]), "both `temperature_images` and"),
    ):
        with pytest.raises(DataError, match=message):
            quantize(network, tmp_path / "int8.onnx", **options, temperature_images=images)


def test_quantize_writes_different_integers_for_each_target(network, images, tmp_path):
    written = {}
    for name in ("x86-vnni", "x86-avx2", "arm64"):
        path = tmp_path / f"{name}.onnx"
        target = TARGETS[name]
        quantize(network, path, calibration=images[0], held_out=images[1], gate=ANYTHING, target=target)
        assert read_info(path).parity["quantize"]["target"] == name
        written[name] = path.read_bytes()
    assert len(set(written.values())) == 3


def test_quantize_raises_if_images_are_in_both_sets(network, images, tmp_path):
    with pytest.raises(DataError, match=r"both `calibration` and `held_out` \(got 16, such as 'noise-0'\)"):
        quantize(network, tmp_path / "int8.onnx", calibration=images[0], held_out=images[0])


def test_quantize_raises_if_no_held_out_image_can_be_read(network, images, tmp_path):
    broken = dataclasses.replace(images[1], sources=[b"not an image"] * len(images[1]))
    with pytest.raises(DataError, match="none of the 44 held-out images can be read; the first error: "):
        quantize(network, tmp_path / "int8.onnx", calibration=images[0], held_out=broken)


def test_quantize_warns_about_unreadable_held_out_images(network, images, tmp_path):
    warnings = []
    broken = dataclasses.replace(images[1], sources=[b"not an image", *images[1].sources[1:]])
    quantize(
        network,
        tmp_path / "int8.onnx",
        calibration=images[0],
        held_out=broken,
        gate=ANYTHING,
        on_warning=warnings.append,
    )
    assert warnings == ["skipped 1 unreadable held-out images"]


def with_precision(path: Path, model: onnx.ModelProto, precision: str) -> Path:
    """Write a network as `adopt` does, with its precision in the metadata."""
    write_info(model.SerializeToString(), dataclasses.replace(network_info(), precision=precision), path)
    return path


def test_quantize_converts_float16_to_float32_and_compares_with_that(network, images, tmp_path):
    half, path = with_precision(tmp_path / "half.onnx", in_float16(conv_network()), "float16"), tmp_path / "int8.onnx"
    notes, data = [], {"calibration": images[0], "held_out": images[1], "gate": ANYTHING}
    trial = quantize(half, path, **data, on_note=notes.append)
    info = read_info(path)
    assert (trial.scheme.name, info.precision, info.parent_sha256) == ("int8", "int8", sha256(half.read_bytes()))
    assert "its float16 weights are converted to float32 and keep their values" in notes[0]
    assert list(info.parity) == ["float32", "quantize"]
    expected = quantize(network, tmp_path / "from_float32.onnx", **data)
    assert trial.result.parity.logit_difference == pytest.approx(expected.result.parity.logit_difference, rel=0.2)
    assert layer_counts(onnx.load(path)) == (0, 5)


@pytest.mark.parametrize("notation", ["QDQ", "QOperator"])
def test_quantize_quantizes_the_float_layers_of_a_partly_quantized_file(images, tmp_path, notation):
    mixed = with_precision(tmp_path / "mixed.onnx", in_int8(notation, float_layers=SOME_LAYERS), "int8")
    notes, data = [], {"calibration": images[0], "held_out": images[1], "gate": ANYTHING}
    trial = quantize(mixed, tmp_path / "int8.onnx", **data, on_note=notes.append)
    assert trial.result.parity.agreement >= 0.9
    assert layer_counts(onnx.load(tmp_path / "int8.onnx")) == (0, 5)
    assert notes == [f"{mixed}: 2 of its 5 layers are int8 already and stay unchanged; layers left to quantize: 3"]
    quantize(mixed, tmp_path / "float16.onnx", **data, schemes=[SCHEMES["float16"]])
    info = read_info(tmp_path / "float16.onnx")
    assert (info.precision, info.parity["quantize"]["recipe"]) == ("int8", "float16")


@pytest.mark.parametrize("notation", ["QDQ", "QOperator"])
def test_quantize_has_nothing_to_do_for_an_int8_file_but_to_compare_it(network, images, tmp_path, notation):
    int8, path = with_precision(tmp_path / "int8.onnx", in_int8(notation), "int8"), tmp_path / "judged.onnx"
    data = {"calibration": images[0], "held_out": images[1]}
    for options in ({}, {"against": network, "schemes": [SCHEMES["int8"]]}):
        with pytest.raises(DataError, match=r"nothing to quantize: all 5 layers are int8 already; .* set `against` to"):
            quantize(int8, path, **data, **options)
    with pytest.raises(QualityGateError, match=r"^the model runs at .*`min_speedup` requires 1000"):
        quantize(int8, path, **data, against=network, gate=Gate(max_drop=100, min_speedup=1000))
    assert not path.exists()
    notes = []
    trial = quantize(int8, path, **data, against=network, gate=ANYTHING, on_note=notes.append)
    assert notes == [f"{int8}: all 5 layers are int8 already, so the model is compared, not quantized"]
    assert trial.result.parent.top1 == 1
    assert 0.9 <= trial.result.child.top1 == read_info(path).metrics["top1"]
    with Classifier(path) as judged, Classifier(int8) as original:
        np.testing.assert_array_equal(judged.logits(IMAGES[0]), original.logits(IMAGES[0]))


def test_quantize_keeps_the_target_of_an_int8_file_that_it_compares(network, images, tmp_path):
    """Without it, `edgekit predict` could not warn on a processor that would overflow."""
    data = {"calibration": images[0], "held_out": images[1], "gate": ANYTHING}
    quantize(network, tmp_path / "int8.onnx", **data, target=TARGETS["x86-vnni"])
    quantize(tmp_path / "int8.onnx", tmp_path / "judged.onnx", **data, against=network, target=TARGETS["arm64"])
    first, judged = read_info(tmp_path / "int8.onnx"), read_info(tmp_path / "judged.onnx")
    assert (judged.target, judged.calibration) == ("x86-vnni", first.calibration)
    assert judged.parity["quantize"]["recipe"] == "unchanged"


def test_quantize_raises_for_an_old_opset(network, images, tmp_path):
    model = onnx.load(network)
    model.opset_import[0].version = 11
    old = tmp_path / "old.onnx"
    onnx.save(model, old)
    with pytest.raises(ArtifactError, match=r"needs opset 13 or later \(got 11\)"):
        quantize(old, tmp_path / "new.onnx", calibration=images[0], held_out=images[1])


def elsewhere() -> list[str]:
    """The targets whose speed this machine cannot measure."""
    return [name for name, target in TARGETS.items() if not is_measured_here(target)]


def test_quantize_for_another_machine_judges_no_speed(network, images, tmp_path):
    data = {"calibration": images[0], "held_out": images[1], "gate": Gate(max_drop=100, min_speedup=1000)}
    for name in elsewhere():
        path, notes = tmp_path / f"{name}.onnx", []
        trial = quantize(network, path, **data, target=TARGETS[name], on_note=notes.append)
        assert (trial.passed, trial.result.speedup, trial.to_dict()["latency"]) == (True, None, None)
        assert read_sidecar(path)["latency"] is None
        assert notes == [
            f"speed is not measured here, and `min_speedup` not checked: the model is for {name}, this machine is "
            f"{this_machine().name}"
        ]
    with pytest.raises(QualityGateError, match=r"`min_speedup` requires 1000"):
        quantize(network, tmp_path / "here.onnx", **data, schemes=[SCHEMES["int8"]])


def test_quantize_compares_an_int8_file_as_the_processor_that_it_is_for(network, images, tmp_path):
    """Whatever target is asked for: nothing of the file changes."""
    data = {"calibration": images[0], "held_out": images[1], "gate": ANYTHING}
    first = quantize(network, tmp_path / "arm64.onnx", **data, target=TARGETS["arm64"])
    judged = quantize(tmp_path / "arm64.onnx", tmp_path / "judged.onnx", **data, against=network)
    assert judged.result.latencies == ()
    assert judged.result.parity == first.result.parity


def test_quantize_for_the_web_tries_stored_weights_first_where_layers_are_depthwise(network, images, tmp_path):
    web, here = TARGETS["web"], TARGETS["x86-avx2"]
    model = onnx.load(network)
    assert [scheme.name for scheme in schemes_for(model, web)][:2] == ["int8-weights", "int8"]
    dense = [scheme.name for scheme in schemes_for(onnx.load(built_in_models()["lenet5-mnist"]), web)]
    assert (dense[0], dense[-2:]) == ("int8", ["int8-weights", "float16"])
    assert "int8-weights" not in [scheme.name for scheme in schemes_for(model, here)]
    path = tmp_path / "web.onnx"
    trial = quantize(network, path, calibration=images[0], held_out=images[1], gate=ANYTHING, target=web)
    info = read_info(path)
    assert trial.scheme.name == info.parity["quantize"]["recipe"] == "int8-weights"
    assert (info.precision, info.target, info.calibration) == ("int8", "web", None)


def test_quantize_for_the_web_keeps_depthwise_layers_in_float32(network, images, tmp_path):
    options = {"calibration": images[0], "held_out": images[1], "gate": ANYTHING, "schemes": [SCHEMES["int8"]]}
    counts = {}
    for name in ("web", "x86-avx2"):
        quantize(network, tmp_path / f"{name}.onnx", **options, target=TARGETS[name])
        counts[name] = layer_counts(onnx.load(tmp_path / f"{name}.onnx"))
    assert counts == {"web": (1, 4), "x86-avx2": (0, 5)}


def test_quantize_that_measures_no_speed_writes_the_most_accurate_of_one_arithmetic(network, images, tmp_path):
    schemes = [SCHEMES[name] for name in ("int8", "int8-mse", "int8-mixed-20", "float16")]
    data = {"calibration": images[0], "held_out": images[1], "gate": ANYTHING, "target": TARGETS[elsewhere()[0]]}
    trials: list = []
    best = quantize(network, tmp_path / "best.onnx", **data, schemes=schemes, try_all=True, on_trial=trials.append)
    assert len(trials) == 4
    assert best in trials[:2]
    assert best.result.divergence == min(trial.result.divergence for trial in trials[:2])


def test_quantize_names_the_file_of_its_caller_in_errors(images, tmp_path):
    model = conv_network()
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.w")
    weights.CopyFrom(onnx.numpy_helper.from_array(np.full((4, 8), np.inf, np.float32), "fc.w"))
    broken = write_network(tmp_path / "mine.onnx", model)
    with pytest.raises(ArtifactError, match=r"mine\.onnx: its logits are not finite; the model is broken"):
        quantize(broken, tmp_path / "int8.onnx", calibration=images[0], held_out=images[1])


def test_quantize_reports_every_stage_from_its_beginning(network, images, tmp_path):
    steps = []
    quantize(
        network,
        tmp_path / "int8.onnx",
        calibration=images[0],
        held_out=images[1],
        gate=ANYTHING,
        progress=lambda *step: steps.append(step),
    )
    stages = dict.fromkeys(stage for stage, _, _ in steps)
    assert list(stages) == [
        "reading calibration images",
        "reading held-out images",
        "running the parent",
        "measuring activations",
        "evaluating int8",
        "timing int8",
    ]
    for stage in stages:
        done = [(finished, total) for name, finished, total in steps if name == stage]
        assert done[0][0] == 0
        assert stage == "timing int8" or done[-1][0] == done[-1][1] > 0


def test_schemes_for_a_convolutional_network_leave_out_dense_int8(network):
    for target in TARGETS.values():
        assert all(scheme.storage != "dense-int8" for scheme in schemes_for(onnx.load(network), target))

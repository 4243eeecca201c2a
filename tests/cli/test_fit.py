"""`edgekit fit` from the command line."""

import json
import shlex

import numpy as np
import pytest
from made_device import device_document
from made_fits import BUDGET, NETWORKS, away, fitted, here, points
from made_micro_graphs import write_device
from PIL import Image
from safetensors.numpy import save_file

import edgekit.fit
from edgekit.fit import CompoundPoint, Explanation, ExplanationRow, Scalings
from edgekit.fit.budget import Budget


def write_images(folder, count):
    for n in range(count):
        path = folder / ("train" if n % 2 else "val") / f"class{n // 2 % 2}" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(n).integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return folder


@pytest.fixture
def replaced(monkeypatch, tmp_path):
    """Replace public functions of edgekit.fit, which measure and train; tmp_path has images."""
    write_images(tmp_path, 24)

    def replace(**functions):
        for name, function in functions.items():
            monkeypatch.setitem(vars(edgekit.fit), name, function)

    replace(device_named=lambda name, **options: here() if name == "this" else away(source=name))
    return replace


@pytest.fixture
def fake_fit(replaced, tmp_path):
    """Let `fit` return a made result; returns the arguments of its calls."""
    calls = []

    def fit(data, output, **options):
        calls.append({"data": data, "output": output, **options})
        options["on_note"]("`latency` is a note")
        return fitted(output, budget=options["budget"], trained=options["training"])

    replaced(fit=fit)
    return calls


def test_fit_prints_candidates_the_choice_and_next_commands(edgekit, fake_fit, tmp_path):
    folder = tmp_path / "fitted"
    code, out, err = edgekit("fit", tmp_path, "--latency", "5ms", "--size", "4MB", "-o", folder)
    found = fitted(folder)
    assert code == 0
    assert out.startswith("device  AMD EPYC, 2 threads, measured here\nbudget  5 ms, 4 MB\n")
    inside = sum(found.budget.admits(point.figures) for point in found.points)
    assert f"{inside} of {len(found.points)} candidates are inside the budget; the best 8:" in out
    first = out.split("-  ----\n")[1].splitlines()[0]
    assert first.startswith(found.chosen.name)
    assert first.split()[-5:] == ["3.67", "2.59", "4.8", "88.00%", "2"]
    assert f"chosen: {found.chosen.name}: 3.67 ms, 2.59 MB, 4.85 MB of memory (measured)\n{found.reason}\n" in out
    assert "accuracy on 2000 val images: 88.20% (float32: 88.50%), proven" in out
    assert "--latency is a note\n" in err
    assert f"wrote {folder / 'model.onnx'}, recipe.toml, front.json and report.html; next: edgekit predict" in err


def test_fit_hands_options_to_the_library(edgekit, fake_fit, tmp_path):
    weights = tmp_path / "w.safetensors"
    save_file({"weight": np.zeros(1, np.float32)}, weights)
    edgekit(
        *(
            "fit",
            tmp_path / "train",
            "--latency",
            "5ms",
            "--memory",
            "60MB",
            "--device",
            "pi.json",
            "--minutes",
            30,
            "--seed",
            7,
        ),
        *("--weights", "imagenet", "--weights", weights, "--network", "mobilenet_v2", "--precision", "int8"),
        *("--val-fraction", 0.2, "--max-drop", 2, "--workers", 0, "--allow-leaks", "-o", "fitted"),
        *("--padding", "tf_same", "--mean", "0.5", "--std", "0.5,0.4,0.5"),
    )
    (call,) = fake_fit
    assert call["budget"] == Budget(latency_ms=5.0, memory_bytes=60_000_000)
    assert (call["device"].source, call["hours"], call["seed"]) == ("pi.json", 0.5, 7)
    assert (call["weights"], call["networks"]) == (("imagenet", str(weights)), ("mobilenet_v2",))
    assert call["arguments"] == {"padding": "tf_same"}
    assert call["preprocess"] == {"mean": 0.5, "std": [0.5, 0.4, 0.5]}
    assert (call["precisions"], call["val_fraction"], call["max_drop"]) == (("int8",), 0.2, 2)
    assert (call["workers"], call["allow_leaks"], call["training"]) == (0, True, True)


def test_fit_defaults_are_two_hours_and_both_precisions(edgekit, fake_fit, tmp_path):
    edgekit("fit", tmp_path, "--latency", "5ms", "-o", "fitted")
    assert (fake_fit[0]["hours"], fake_fit[0]["precisions"]) == (2.0, ("float32", "int8"))


def test_fit_no_training_prints_the_ranked_list(edgekit, fake_fit, tmp_path):
    code, out, err = edgekit("fit", tmp_path, "--latency", "5ms", "--no-training", "-o", tmp_path / "ranked")
    assert code == 0
    assert "the best 10:" in out
    assert "chosen" not in out
    assert f"wrote {tmp_path / 'ranked/front.json'} and {tmp_path / 'ranked/report.html'}\n" in err


def test_fit_json_is_the_front_document(edgekit, fake_fit, tmp_path):
    code, out, _ = edgekit("fit", tmp_path, "--latency", "5ms", "-o", tmp_path / "fitted", "--json")
    document = json.loads(out)
    assert (code, document["schema"], len(document["candidates"])) == (0, 1, 240)


def test_fit_of_another_device_calls_the_latency_predicted(edgekit, fake_fit, tmp_path, replaced):
    def fit(data, output, **options):
        return fitted(output, device=options["device"])

    replaced(fit=fit)
    _, out, _ = edgekit("fit", tmp_path, "--latency", "5ms", "--device", "pi.json", "-o", tmp_path / "fitted")
    assert "of memory (latency predicted)" in out


def scalings(compound=True):
    """The best candidate of two networks, and what the compound rule gives."""
    inside = [point for point in points() if BUDGET.admits(point.figures)]
    best = [max((p for p in inside if p.candidate.network == name), key=lambda p: p.prior) for name in NETWORKS[:2]]
    scaled = CompoundPoint(phi=-1.5, point=best[1]) if compound else None
    return Scalings(budget=BUDGET, device=away(), points=tuple(best), compound=scaled)


def test_fit_without_data_prints_what_fits_beside_the_compound_rule(edgekit, replaced):
    calls = []

    def fake(networks, **options):
        calls.append((networks, options))
        return scalings()

    replaced(scalings=fake)
    code, out, err = edgekit("fit", "--latency", "5ms", "--network", "mobilenet_v2", "--precision", "int8")
    assert code == 0
    assert out.startswith("device  Raspberry Pi 5, 4 threads, predicted from device.json\n")
    assert "phi = -1.5" in out
    (networks, options) = calls[0]
    assert (networks, options["precisions"], options["budget"].latency_ms) == (("mobilenet_v2",), ("int8",), 5.0)
    assert "note: figures are predicted for 1,000 classes" in err


def test_fit_without_data_json_has_the_same(edgekit, replaced):
    replaced(scalings=lambda networks, **options: scalings(compound=False))
    _, out, _ = edgekit("fit", "--latency", "5ms", "--json")
    document = json.loads(out)
    assert (document["schema"], document["compound"]) == (1, None)
    assert [entry["network"] for entry in document["scalings"]] == list(NETWORKS[:2])
    assert document["budget"]["latency_ms"] == 5.0


@pytest.mark.parametrize("has_state", [True, False])
def test_fit_interrupt_states_how_to_go_on(edgekit, replaced, tmp_path, has_state):
    folder = tmp_path / "fitted"

    def fit(data, output, **options):
        if has_state:
            output.mkdir()
            (output / "state.json").write_text("{}")
        raise KeyboardInterrupt

    replaced(fit=fit)
    command = ("fit", tmp_path, "--latency", "5ms", "-o", folder)
    code, _, err = edgekit(*command)
    advice = "to continue, rerun the same command" if has_state else "nothing was trained; to start again"
    assert (code, err) == (130, f"interrupted; {advice}: {shlex.join(['edgekit', *map(str, command)])}\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("photos",), "--latency is required, e.g. --latency 5ms"),
        (("photos", "--latency", "5ms"), "--output FOLDER is required with DATA"),
        (("--latency", "5ms", "-o", "fitted"), "--output requires DATA"),
        (("photos", "--latency", "5", "-o", "x"), "--latency must be a number above 0 with a unit"),
        (
            ("photos", "--latency", "5ms", "--size", "4 apples", "-o", "x"),
            "--size must be a number above 0 with a unit",
        ),
        (
            ("photos", "--latency", "5ms", "--memory", "-4MB", "-o", "x"),
            "--memory must be a number above 0 with a unit",
        ),
        (("photos", "--latency", "5ms", "--hours", "1", "--minutes", "5", "-o", "x"), "--hours cannot be combined"),
        (("photos", "--explain", "model.onnx"), "DATA is not for --explain"),
        (("--explain", "model.onnx", "--latency", "5ms"), "--latency is not for --explain"),
        (("photos", "--latency", "5ms", "--precision", "int4", "-o", "x"), "--precision must be float32 or int8"),
        (("--latency", "5ms", "--weights", "imagenet"), "--weights requires DATA"),
        (
            ("photos", "--latency", "5ms", "--weights", "imagenet", "--mean", "0.5", "-o", "x"),
            "--mean describes a weights file; name one with --weights FILE",
        ),
        (("--latency", "5ms", "--no-training"), "--no-training requires DATA"),
        (("--latency", "5ms", "--hours", "1"), "--hours requires DATA"),
    ],
)
def test_fit_reports_mistakes_in_one_line(mistake, options, message):
    code, err = mistake("fit", *options)
    assert code == 2
    assert message in err


@pytest.fixture
def pi(tmp_path):
    """The device.json of a bench kit."""
    return write_device(tmp_path / "pi.json", threads=(1,))


def test_fit_ranks_real_images_for_a_device_that_is_not_here(edgekit, pi, tmp_path):
    """Nothing is replaced: images are read, candidates are predicted, the folder is written, and continued."""
    data, folder = write_images(tmp_path / "photos", 24), tmp_path / "ranked"
    command = ("fit", data, "--latency", "5ms", "--network", "resnet20", "--precision", "int8", "--device", pi)
    code, out, err = edgekit(*command, "--no-training", "-o", folder)
    assert (code, "predicted from" in out) == (0, True)
    document = json.loads((folder / "front.json").read_text())
    assert {entry["network"] for entry in document["candidates"]} == {"resnet20"}
    assert document["device"]["is_here"] is False
    assert "<svg" in (folder / "report.html").read_text()
    assert edgekit(*command, "--no-training", "-o", folder)[0] == 0
    code, _, err = edgekit(*command, "--seed", 1, "--no-training", "-o", folder)
    assert (code, err.count("\n")) == (1, 1)
    assert "choose another --output folder" in err


@pytest.mark.parametrize(
    ("images", "options", "code", "message"),
    [
        (2, (), 1, "has only one class"),
        (4, (), 1, "2 training images are too few"),
        (24, ("--latency", "1us"), 2, "the nearest is resnet20"),
        (24, ("--size", "1kB"), 2, "raise --size"),
        (24, ("--network", "lenet5"), 2, "unknown network 'lenet5'"),
        (24, ("--weights", "absent.pth"), 4, "absent.pth"),
        (24, ("--threads", "3"), 2, "--threads must be a number that"),
        (24, ("-o", "."), 1, "choose another --output folder"),
        (24, ("-o", "pi.json"), 1, "choose another --output folder"),
        (0, (), 1, "photos"),
    ],
)
def test_fit_refuses_what_it_cannot_use(mistake, pi, tmp_path, monkeypatch, images, options, code, message):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", images)
    defaults = ("--latency", "5ms", "--network", "resnet20", "--precision", "int8", "-o", "fitted")
    exit_code, err = mistake("fit", "photos", "--device", "pi.json", *defaults, *options, "--no-training")
    assert exit_code == code
    assert message in err


def test_fit_refuses_a_device_without_micro_graphs(mistake, tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps(device_document()))
    code, err = mistake("fit", "--latency", "5ms", "--device", path)
    assert code == 1
    assert "has no times of micro-graphs" in err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("empty --latency 1ms -o fitted", "empty: no "),
        ("train --latency 1ms -o val", "choose another --output folder"),
        ("train --latency 1ms -o fitted --val-fraction 0.2 --weights absent.pth", "absent.pth"),
        ("--explain absent.onnx", "absent.onnx"),
    ],
)
def test_fit_refuses_what_it_cannot_use_before_it_measures_this_machine(
    mistake, replaced, tmp_path, monkeypatch, command, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    replaced(device_named=lambda name, **options: pytest.fail("the machine was measured"))
    code, err = mistake("fit", *command.split())
    assert code in (1, 4)
    assert message in err


def test_fit_explain_prints_where_the_time_goes(edgekit, pi):
    code, out, _ = edgekit("fit", "--explain", "mobilenet_v2-cifar10-int8", "--device", pi)
    assert code == 0
    assert "pointwise convolution" in out
    assert "measured" not in out
    _, out, _ = edgekit("fit", "--explain", "mobilenet_v2-cifar10-int8", "--device", pi, "--json")
    document = json.loads(out)
    assert (document["schema"], document["model"]) == (1, "mobilenet_v2-cifar10-int8")
    assert sum(row["share"] for row in document["rows"]) == pytest.approx(1)
    assert sum(row["predicted_ms"] for row in document["rows"]) == pytest.approx(document["predicted_ms"])


def test_fit_explain_prints_the_measured_latency_of_this_machine(edgekit, replaced):
    rows = (ExplanationRow(kind="pointwise convolution", count=3, macs=2_000_000, predicted_ms=1.1, share=1.0),)
    replaced(explain=lambda model, device: Explanation(model=model, rows=rows, predicted_ms=1.1, measured_ms=1.0))
    _, out, _ = edgekit("fit", "--explain", "mobilenet_v2-cifar10-int8")
    assert "predicted: 1.10 ms; measured: 1.00 ms (the prediction is off by +10.0%)" in out

"""The kit that measures models on a device: it runs without edgekit, and times no model that computes wrong logits."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from made_models import tiny_model, write_tiny

from edgekit.bench.device import read_device
from edgekit.bench.micro_graphs.designed import design
from edgekit.bundle.bench_kit import program
from edgekit.bundle.bench_program import main
from edgekit.bundle.bench_program.kit import target_settings
from edgekit.bundle.bench_program.progress import Progress
from edgekit.bundle.write import write_bundle
from edgekit.errors import SpecError
from edgekit.files import sha256
from edgekit.hub.model_files import model_path
from edgekit.runtime.targets import TARGETS, session_settings

_SHORT = ("--rounds", "3", "--seconds", "0.001", "--threads", "1", "--no-micro-graphs")


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> Path:
    """A kit with two models. Do not change it."""
    folder = tmp_path_factory.mktemp("kit") / "kit"
    write_bundle(["lenet5-mnist", "lenet5-mnist-int8"], folder, platform="python", count=3, bench=True)
    return folder


@pytest.fixture
def own_kit(kit, tmp_path) -> Path:
    """A copy of the kit, to be changed."""
    return Path(shutil.copytree(kit, tmp_path / "kit"))


def bench(kit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run bench.pyz elsewhere than in its folder."""
    command = (sys.executable, str(kit / "bench.pyz"), *arguments)
    return subprocess.run(command, cwd=kit.parent, capture_output=True, text=True, timeout=120, check=False)


def rewrite(path: Path, change) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.slow
def test_kit_measures_each_model_with_each_number_of_threads(kit, tmp_path):
    done = bench(kit, "--rounds", "6", "--seconds", "0.01", "--threads", "2,1", "--no-micro-graphs")
    assert done.returncode == 0, done.stderr
    (tmp_path / "device.json").write_text(done.stdout, encoding="utf-8")
    device = read_device(tmp_path / "device.json")
    assert [model.name for model in device.models] == ["lenet5-mnist", "lenet5-mnist-int8"]
    for model in device.models:
        content = model_path(model.name).read_bytes()
        assert (model.sha256, model.size_bytes) == (sha256(content), len(content))
        assert (model.passed, model.largest_difference) == (True, 0.0)
        assert [latency.threads for latency in model.network] == [1, 2]
        assert all(0 < latency.spread.median < 100 for latency in model.network)
        assert 0 < model.session.median < model.cold_start.median
        assert 20e6 < model.peak_memory_bytes < 500e6
    assert device.conditions.drift > 0
    assert "3 of 3 golden vectors have their label" in done.stderr
    assert "latency" in done.stderr


@pytest.mark.slow
def test_model_with_other_results_is_named_and_not_timed(own_kit, tmp_path):
    def change(golden):
        golden["vectors"][1]["logits"][4] += 1

    rewrite(own_kit / "lenet5-mnist.golden.json", change)
    done = bench(own_kit, *_SHORT)
    assert done.returncode == 1
    assert "lenet5-mnist: 3 of 3 golden vectors have their label, largest difference of a logit 1: WRONG" in done.stderr
    (tmp_path / "device.json").write_text(done.stdout, encoding="utf-8")
    wrong, right = read_device(tmp_path / "device.json").models
    assert (wrong.passed, wrong.network, wrong.cold_start) == (False, (), None)
    assert right.passed
    assert right.network


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda kit: (kit / "lenet5-mnist.onnx").write_bytes(b"x"), "not the one that the kit was made with"),
        (lambda kit: (kit / "lenet5-mnist.golden.bin").write_bytes(b"x"), "not the one that the kit was made with"),
        (lambda kit: (kit / "lenet5-mnist.onnx").unlink(), "cannot be read (No such file or directory)"),
        (lambda kit: (kit / "lenet5-mnist.json").write_bytes(b"{"), "the file is broken; copy the kit again"),
        (lambda kit: (kit / "bundle.json").unlink(), "bundle.json: cannot be read"),
    ],
)
def test_kit_that_was_not_copied_whole_is_refused_in_one_line(own_kit, spoil, message):
    spoil(own_kit)
    done = bench(own_kit, *_SHORT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rounds", "2"), "must be an integer from 3 to 1000 (got '2')"),
        (("--seconds", "0"), "must be a number above 0, at most 60 (got '0')"),
        (("--seconds", "nan"), "must be a number above 0, at most 60 (got 'nan')"),
        (("--threads", "1,x"), "must be integers from 1 to 256, such as 1,2 (got '1,x')"),
    ],
)
def test_wrong_option_is_named(kit, arguments, message):
    done = bench(kit, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_program_without_onnxruntime_names_the_command_that_installs_it(kit, tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no onnxruntime')", encoding="utf-8")
    code = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_path({str(kit / 'bench.pyz')!r})"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: no onnxruntime; run: pip install --requirement requirements.txt\n"


def test_program_is_the_same_each_time_and_carries_what_it_imports_of_edgekit(kit):
    assert (kit / "bench.pyz").read_bytes() == program()
    with zipfile.ZipFile(kit / "bench.pyz") as archive:
        sources = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".py")}
    assert len(sources) > 5
    del sources["edgekit/__init__.py"]  # it names modules of the whole package, which it imports when they are used
    imports = re.compile(r"^ *from (edgekit\.[\w.]+) import", re.MULTILINE)
    imported = {name for source in sources.values() for name in imports.findall(source)}
    assert "edgekit.bench.micro_graphs.rounds" in imported
    assert {f"{name.replace('.', '/')}.py" for name in imported} <= set(sources)
    assert len(program()) < 40_000
    assert (kit / "requirements.txt").read_text(encoding="utf-8").splitlines()[1].startswith("onnxruntime==")


def test_document_has_the_times_of_micro_graphs_for_each_number_of_threads_and_precision(monkeypatch, capsys):
    def measured(threads, *, on_graph):
        on_graph()
        return {precision: {f"{precision} micro-graph": 0.5 * threads} for precision in ("float32", "int8")}

    monkeypatch.setattr(main, "measure_micro_graphs", measured)
    entries = main._micro_graphs([1, 2], Progress(sys.stderr))
    assert [(entry["threads"], entry["precision"]) for entry in entries] == [
        (1, "float32"),
        (1, "int8"),
        (2, "float32"),
        (2, "int8"),
    ]
    assert entries[3]["milliseconds"] == {"int8 micro-graph": 1.0}
    assert entries[3]["design"] == design("int8")
    assert "operators ..." in capsys.readouterr().err


@pytest.mark.parametrize("features", [[], ["avx2"], ["avx2", "avx_vnni"], ["avx2", "avx512_vnni"], ["asimddp"]])
@pytest.mark.parametrize("target", [*TARGETS, None])
def test_kit_opens_models_with_the_settings_of_edgekit(monkeypatch, target, features):
    monkeypatch.setattr("edgekit.runtime.targets.int8_features", lambda: features)
    assert target_settings(target or "", features) == session_settings(target)


def test_model_with_a_fixed_batch_is_refused(tmp_path):
    model = tiny_model()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    write_tiny(tmp_path / "pair.onnx", model)
    with pytest.raises(SpecError, match=r"pair: a benchmark needs an input of one image \(got a batch of 2\)"):
        write_bundle([tmp_path / "pair.onnx"], tmp_path / "kit", platform="python", bench=True)
    assert not (tmp_path / "kit").exists()

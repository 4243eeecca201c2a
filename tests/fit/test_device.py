import json

import pytest
from made_micro_graphs import micro_graph_times, write_device

from edgekit.errors import DataError, SpecError
from edgekit.fit import device as module
from edgekit.fit.device import device_named
from edgekit.runtime.targets import this_machine


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The names of what is measured, and after how many groups the measurement is interrupted."""
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path))
    names, limit = [], [10**9]
    times = {precision: micro_graph_times(precision) for precision in ("float32", "int8")}

    def measure_pass(graphs, *, precision, threads, reference_ms, on_graph):
        assert reference_ms == {"float32": 2.0, "int8": 1.0}[precision] * threads
        for start in range(0, len(graphs), 50):
            if limit[0] == 0:
                raise KeyboardInterrupt
            limit[0] -= 1
            group = [graph.name for graph in graphs[start : start + 50]]
            for _ in group:
                on_graph()
            names.extend(group)
            yield {name: times[precision][name] * threads for name in group}

    def reference_times(threads):
        names.append(f"reference, {threads} threads")
        return {"float32": 2.0 * threads, "int8": 1.0 * threads}

    monkeypatch.setattr(module, "measure_pass", measure_pass)
    monkeypatch.setattr(module, "reference_times", reference_times)
    return names, limit


def test_this_machine_is_measured_once_for_each_number_of_threads(measured):
    names, _ = measured
    notes = []
    first = device_named("this", threads=1, on_note=notes.append)
    assert (first.threads, first.is_here, first.source) == (1, True, "measured here")
    assert first.target is this_machine()
    count = len(names)
    assert device_named("this", threads=1, on_note=notes.append) == first
    assert len(names) == count
    assert len(notes) == 1
    assert "measuring this machine" in notes[0]
    device_named("this", threads=2)
    assert len(names) == 2 * count


def test_interrupted_measurement_is_continued(measured):
    names, limit = measured
    limit[0] = 3
    with pytest.raises(KeyboardInterrupt):
        device_named("this", threads=1)
    steps = []
    limit[0] = 10**9
    device_named("this", threads=1, progress=lambda stage, done, total: steps.append((done, total)))
    done, total = steps[-1]
    assert done == total == len(names) - 1
    assert names.count("reference, 1 threads") == 1


def test_damaged_file_of_the_cache_is_measured_again(measured, tmp_path):
    names, _ = measured
    first = device_named("this", threads=1)
    (file,) = (tmp_path / "devices").iterdir()
    for content in (b"{", b'{"passes": [{}, {}]}', b"\xff"):
        names.clear()
        file.write_bytes(content)
        assert device_named("this", threads=1).models == first.models
        assert names


def test_device_of_a_kit_is_read_for_a_number_of_threads_that_it_measured(tmp_path):
    path = write_device(tmp_path / "device.json", threads=(1, 4))
    device = device_named(path)
    assert (device.name, device.threads, device.is_here) == ("Raspberry Pi 5 Model B Rev 1.0", 4, False)
    assert (device.target.name, device.runtime) == ("arm64", "onnxruntime 1.31.1")
    assert device_named(path, threads=1).threads == 1
    with pytest.raises(
        SpecError, match=r"`threads` must be a number that .*device.json was measured with: 1, 4 .got 2."
    ):
        device_named(path, threads=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(micro_graphs=[]), "has no times of micro-graphs"),
        (lambda document: document.update(schema=1), "has no times of micro-graphs"),
        (lambda document: document["micro_graphs"][0].update(design="0" * 12), "with other micro-graphs in float32"),
        (lambda document: document["micro_graphs"].pop(), "with other micro-graphs in int8"),
        (lambda document: document["device"].update(architecture="riscv64"), "no int8 target for the architecture"),
    ],
)
def test_device_without_what_is_needed_is_refused_with_what_to_do(tmp_path, change, message):
    path = write_device(tmp_path / "device.json", threads=(1,))
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        device_named(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", [None, 5, object(), []])
def test_device_of_a_wrong_type_is_refused_before_anything_is_measured(device):
    with pytest.raises(SpecError, match="device"):
        device_named(device)

"""The documents of other devices are read completely, or refused in one line."""

import copy
import json

import pytest
from made_device import device_document, device_model

from edgekit.bench.device import read_device
from edgekit.errors import DataError


@pytest.fixture
def document():
    return device_document(device_model("a", sha256="a" * 64), device_model("b", sha256="b" * 64, ms=4.0))


@pytest.fixture
def read(tmp_path):
    """A function: the device that a document describes."""

    def read_document(content):
        path = tmp_path / "device.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_device(path)

    return read_document


def leaves(value, path=()):
    """The paths of all values that are not empty containers."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    yield from [(*path, key) for key, _ in entries]
    for key, entry in entries:
        yield from leaves(entry, (*path, key))


def replaced(document, path, value):
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def test_device_is_read_with_all_figures(read, document):
    device = read(document)
    assert (device.name, device.cores, device.features) == (
        "Raspberry Pi 5 Model B Rev 1.0",
        4,
        ("fp", "asimd", "asimddp"),
    )
    assert device.conditions.temperature_c == {"before": 45.0, "highest": 61.5, "after": 60.0}
    assert device.thread_counts == [1, 2]
    assert [model.name for model in device.models] == ["a", "b"]
    latency = device.models[1].latency(2)
    assert (latency.spread.low, latency.spread.median, latency.spread.high) == (1.8, 2.0, 2.4)
    assert device.models[1].latency(3) is None


def test_speedup_is_the_median_over_the_rounds_of_the_same_device(read, document):
    document["models"][1]["network"][0]["rounds_ms"] = [5.0, 2.5, 2.5, 2.5, 2.5, 2.5]
    baseline, other = read(document).models
    times = other.speedup(baseline, 1)
    assert times.value == pytest.approx((10.2 + 10.3) / 2 / 2.5)  # ratios of the rounds: 2, 4.04, 4.08, 4.12, ...
    assert times.low == pytest.approx(2.0)
    assert other.speedup(baseline, 4) is None


def test_document_of_a_browser_may_leave_out_what_it_cannot_know(read, document):
    model = document["models"][0]
    model.update({"cold_start_ms": None, "peak_memory_bytes": None})
    document["device"].update({"name": None, "processor": None, "features": None, "memory_bytes": None})
    document["conditions"] = {"temperature_c": None, "frequency_mhz": None, "throttled": None, "drift": None}
    document["versions"] = {"onnxruntime": None, "numpy": None, "python": None, "onnxruntime-web": "1.30.0"}
    device = read(document)
    assert device.versions == {"onnxruntime-web": "1.30.0"}
    assert (device.models[0].cold_start, device.conditions.drift) == (None, None)


def test_model_with_wrong_results_has_no_timings(read, document):
    model = document["models"][0]
    model["golden"]["passed"] = False
    model.update({"session_ms": None, "cold_start_ms": None, "peak_memory_bytes": None, "network": []})
    wrong = read(document).models[0]
    assert not wrong.passed
    assert wrong.network == ()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), 3, "has schema 3; this edgekit reads 1 and 2"),
        (("schema",), True, "not a file that bench.pyz prints"),
        (("device",), [], "device must be an object"),
        (("device", "cores"), 0, "device.cores must be an integer from 1 to 65536 (got 0)"),
        (("device", "cores"), 1.5, "device.cores must be an integer"),
        (("device", "system"), "x" * 201, "device.system must be a text of 1 to 200 characters"),
        (("device", "features"), ["x", 1], "device.features must be a list of texts"),
        (("created",), "yesterday", "created must be a date such as 2026-11-28T09:00:00Z (got 'yesterday')"),
        (("settings", "rounds"), 5, "models[0].network[0].rounds_ms must be a list of 5 numbers above 0"),
        (("models", 1, "name"), "a", "models has the name 'a' twice"),
        (("models", 0, "sha256"), "A" * 64, "models[0].sha256 must be 64 hexadecimal digits"),
        (("models", 0, "golden", "passed"), 1, "models[0].golden.passed must be true or false (got 1)"),
        (("models", 0, "network", 1, "threads"), 1, "models[0].network has the same number of threads twice"),
        (("models", 0, "network", 0, "median_ms"), 99, "median_ms must lie between the quartiles (got 9, 99, 12)"),
        (("models", 0, "network", 0, "median_ms"), -1, "models[0].network[0].median_ms must be a number above 0"),
        (("models", 0, "network", 0, "rounds_ms", 3), 0, "models[0].network[0].rounds_ms must be a list of 6 numbers"),
        (("models", 0, "cold_start_ms", "low"), 10**400, "models[0].cold_start_ms.low must be a number above 0"),
        (("conditions", "frequency_mhz", "lowest"), "x", "conditions.frequency_mhz.lowest must be a number above 0"),
    ],
)
def test_wrong_value_is_named_in_one_line(read, document, path, value, message):
    with pytest.raises(DataError) as error:
        read(replaced(document, path, value))
    assert message in str(error.value)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


def test_every_missing_field_is_named(read, document):
    optional = {("edgekit",), ("settings", "seconds"), *((("versions", name)) for name in document["versions"])}
    unread = {"file", "runs", "vectors", "same_labels", "tolerance"}
    for path in leaves(document):
        if isinstance(path[-1], int) or path in optional or path[-1] in unread:
            continue
        changed = copy.deepcopy(document)
        place = changed
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        with pytest.raises(DataError, match=r"is missing|not a file that bench.pyz prints"):
            read(changed)


@pytest.mark.parametrize("value", [None, True, -1, 0.5, 10**400, "", "x" * 10_000, "\x1b[2J", [], {}, [[]], [{}]])
def test_no_value_of_a_field_raises_anything_else(read, document, value):
    for path in leaves(document):
        message = ""
        try:
            read(replaced(document, path, value))
        except DataError as error:
            message = str(error)
        assert len(message) < 600, path
        assert message.isprintable(), path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a file that bench.pyz prints"),
        (b"\xff\xfe", "not a file that bench.pyz prints"),
        (b"[1]", "the document is not a JSON object"),
        (b'{"schema": 1}', "run: python bench.pyz > device.json"),
        (b'{"device": NaN}', "NaN"),
        (b"[" * 100_000, "not a file that bench.pyz prints"),
        (b" " * (9 * 2**20), "more than the limit"),
    ],
)
def test_other_files_are_refused(read, content, message):
    with pytest.raises(DataError, match=r"device\.json: ") as error:
        read(content)
    assert message in str(error.value)


def test_absent_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(DataError):
            read_device(path)

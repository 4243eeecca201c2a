"""What `edgekit doctor` checks and advises."""

import sys
from pathlib import Path

import pytest

import edgekit
from edgekit.runtime import cpu, doctor


def messages(checkup, severity):
    return [finding.message for finding in checkup.findings if finding.severity == severity]


def test_check_up_finds_no_problem_here(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/some.pth").write_bytes(b"x" * 1000)
    checkup = doctor.check_up()
    assert checkup.healthy, checkup.findings
    assert checkup.facts["cache"] == {
        "folder": str(tmp_path / "weights"),
        "size_bytes": 1000,
        "writable": True,
        "offline": False,
    }
    assert "CPUExecutionProvider" in checkup.facts["providers"]
    assert checkup.facts["default_model"]["first_prediction_ms"] > 0
    assert set(checkup.facts["extras"]) == {"train", "onnx", "export", "report", "heif", "imagenet", "serve", "bulk"}
    assert checkup.facts["installation"] == {"location": str(Path(edgekit.__file__).parent), "kind": "folder"}


def test_check_up_reports_a_cache_that_cannot_be_created(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "file"))
    checkup = doctor.check_up()
    assert not checkup.healthy
    assert "EDGEKIT_HOME" in messages(checkup, "problem")[0]


def test_check_up_reports_wrong_thread_counts_and_advises_against_many(monkeypatch):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "two")
    assert any("EDGEKIT_NUM_THREADS" in line for line in messages(doctor.check_up(), "problem"))
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "200")
    checkup = doctor.check_up()
    assert checkup.healthy
    assert any("may use" in line for line in messages(checkup, "advice"))


def test_check_up_reads_the_cgroup_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "_CGROUP_QUOTA", tmp_path / "cpu.max")
    for text, quota in (("50000 100000", 0.5), ("max 100000", None), ("junk", None), ("250000 100000", 2.5)):
        (tmp_path / "cpu.max").write_text(text)
        assert doctor.check_up().facts["cores"]["quota"] == quota, text
    (tmp_path / "cpu.max").write_text("50000 100000")
    assert any("quota is 0.5" in line for line in messages(doctor.check_up(), "advice"))


@pytest.mark.parametrize(
    ("features", "advice"),
    [(["avx2", "avx512_vnni"], None), (["asimddp"], None), (["avx2"], "no VNNI"), ([], "no known int8")],
)
def test_check_up_advises_on_processors_with_slow_int8(monkeypatch, features, advice):
    here = doctor.processor()
    monkeypatch.setattr(doctor, "processor", lambda: here | {"int8_features": features})
    lines = messages(doctor.check_up(), "advice")
    assert advice is None or any(advice in line for line in lines)
    assert advice is not None or not any("int8" in line for line in lines)


def test_check_up_reports_missing_and_old_packages(monkeypatch):
    installed = {"numpy": "1.26.4", "torch": None, "safetensors": "0.5.0"}
    monkeypatch.setattr(doctor, "installed_version", lambda name: installed.get(name, "99.0"))
    checkup = doctor.check_up()
    assert messages(checkup, "problem") == ["numpy 1.26.4 is too old; run: pip install 'numpy>=2.0'"]
    assert checkup.facts["extras"]["train"] == ["torch"]
    assert checkup.facts["extras"]["export"] == ["torch"]
    assert checkup.facts["extras"]["onnx"] == []


def test_check_up_reports_a_default_model_that_does_not_load(monkeypatch):
    from edgekit.errors import ArtifactError

    def broken(*, threads):
        raise ArtifactError("gone")

    monkeypatch.setattr(doctor, "Classifier", broken)
    assert "gone" in messages(doctor.check_up(), "problem")[0]


def test_check_up_of_a_frozen_program_asks_for_no_packages(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(doctor, "installed_version", lambda name: None)
    checkup = doctor.check_up()
    assert checkup.healthy
    assert (checkup.facts["installation"]["kind"], checkup.facts["extras"]) == ("frozen program", {})

"""What the doctor sees, and what it advises."""

import pytest

from edgekit.runtime import cpu, doctor


def said(checkup, severity):
    return [finding.message for finding in checkup.findings if finding.severity == severity]


def test_this_machine_is_fit(tmp_path, monkeypatch):
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
    assert checkup.facts["default_model"]["first_answer_ms"] > 0
    assert {"train", "onnx", "export", "report", "dev"} <= set(checkup.facts["extras"])


def test_a_cache_that_cannot_be_made_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "file"))
    checkup = doctor.check_up()
    assert not checkup.healthy
    assert "EDGEKIT_HOME" in said(checkup, "problem")[0]


def test_a_wrong_number_of_threads_is_a_problem_and_too_many_are_advised_against(monkeypatch):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "two")
    assert any("EDGEKIT_NUM_THREADS" in line for line in said(doctor.check_up(), "problem"))
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "200")
    checkup = doctor.check_up()
    assert checkup.healthy
    assert any("may use" in line for line in said(checkup, "advice"))


def test_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "_CGROUP_QUOTA", tmp_path / "cpu.max")
    for text, quota in (("50000 100000", 0.5), ("max 100000", None), ("junk", None), ("250000 100000", 2.5)):
        (tmp_path / "cpu.max").write_text(text)
        assert doctor.check_up().facts["cores"]["quota"] == quota, text
    (tmp_path / "cpu.max").write_text("50000 100000")
    assert any("quota is 0.5" in line for line in said(doctor.check_up(), "advice"))


@pytest.mark.parametrize(
    ("features", "advice"),
    [(["avx2", "avx512_vnni"], None), (["asimddp"], None), (["avx2"], "no VNNI"), ([], "no instructions")],
)
def test_processors(monkeypatch, features, advice):
    here = doctor.processor()
    monkeypatch.setattr(doctor, "processor", lambda: here | {"int8_features": features})
    lines = said(doctor.check_up(), "advice")
    assert advice is None or any(advice in line for line in lines)
    assert advice is not None or not any("int8" in line for line in lines)


def test_what_is_missing_or_too_old(monkeypatch):
    found = {"numpy": "1.26.4", "torch": "", "safetensors": "0.5.0"}
    monkeypatch.setattr(doctor, "_installed", lambda name: found.get(name, "99.0"))
    checkup = doctor.check_up()
    assert said(checkup, "problem") == ["numpy 1.26.4 is installed, 2.0 is needed; run: pip install -U 'numpy'"]
    assert checkup.facts["extras"]["train"] == ["torch"]
    assert checkup.facts["extras"]["export"] == ["torch"]
    assert checkup.facts["extras"]["onnx"] == []


def test_a_default_model_that_is_gone_is_a_problem(monkeypatch):
    from edgekit.errors import ArtifactError

    def broken(*, threads):
        raise ArtifactError("gone")

    monkeypatch.setattr(doctor, "Classifier", broken)
    assert "gone" in said(doctor.check_up(), "problem")[0]

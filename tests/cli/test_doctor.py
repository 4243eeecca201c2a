"""`edgekit doctor` from the command line."""

import json


def test_doctor_reports_facts_and_problems(edgekit, monkeypatch):
    code, out, _ = edgekit("doctor")
    assert code == 0
    assert all(message in out for message in ("onnxruntime", "CPUExecutionProvider", "extra report", "default model"))
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "many")
    code, out, _ = edgekit("doctor", "--json")
    document = json.loads(out)
    assert (code, document["healthy"]) == (1, False)
    assert document["findings"][0]["severity"] == "problem"

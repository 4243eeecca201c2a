"""The commands that are printed at the end of another one: ready to copy, and they work."""

import shlex
from pathlib import Path

import pytest

from edgekit.cli.next_commands import after_export, after_training, predict_command, write_next


def printed_commands(text):
    """The words of each command that was printed as the next one."""
    lines = [line.partition("next: ")[2] or line.partition("then: ")[2] for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line]


def test_write_next_quotes_names_for_a_shell(capsys):
    write_next("my model.onnx", *after_export(Path("my model.onnx"), data=Path("it's data")))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("wrote my model.onnx; next: edgekit quantize 'my model.onnx' --calibration ")
    assert lines[1].startswith("then: edgekit predict ")
    assert printed_commands("\n".join(lines))[0][-1] == "it's data"


def test_placeholders_stand_for_names_that_are_not_known(tmp_path):
    quantize, predict = after_export(tmp_path / "model.onnx", data=None)
    assert quantize[-2:] == ["--calibration", "DATA"]
    assert predict == ["edgekit", "predict", "IMAGE", "--model", str(tmp_path / "model-int8.onnx")]
    assert predict_command("lenet5-mnist", data=tmp_path / "photos.zip")[2] == "IMAGE"  # predict reads no archives


def test_next_commands_name_an_output_that_exists(tmp_path):
    """`quantize` replaces only a file that is named."""
    (tmp_path / "model-int8.onnx").touch()
    quantize, _ = after_export(tmp_path / "model.onnx", data=tmp_path)
    assert quantize[-2:] == ["-o", str(tmp_path / "model-int8.onnx")]


def test_next_commands_judge_no_model_by_images_that_may_have_trained_it(tmp_path):
    export, quantize, _ = after_training(tmp_path / "model.safetensors", data=tmp_path, has_own_split=False)
    assert "--images" not in export
    assert quantize[-1] == "--no-temperature"


@pytest.mark.slow
def test_printed_commands_lead_from_training_to_predictions(edgekit, bars, tmp_path, monkeypatch):
    """Every command is run as it was printed; the quality gate lets pass what one epoch could not teach."""
    monkeypatch.chdir(tmp_path)
    bars.rename("my bars")
    code, _, err = edgekit("train", "my bars", "--model", "lenet5", "--epochs", 1, "--workers", 0, "--run", "my run")
    assert code == 0, err
    export, *after = printed_commands(err)
    code, _, err = edgekit(*export[1:])
    assert code == 0, err
    assert printed_commands(err) == after
    quantize, predict = after
    code, _, err = edgekit(*quantize[1:], "--max-drop", 100, "--min-speedup", 0)
    assert code == 0, err
    same_predict, evaluate, *_ = printed_commands(err)
    assert same_predict == predict
    code, out, _ = edgekit(*predict[1:])
    assert (code, len(out.splitlines())) == (0, 80)
    code, out, err = edgekit(*evaluate[1:])
    assert code == 0, err
    assert "model-int8 vs model: " in out

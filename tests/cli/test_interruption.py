"""Ctrl-C in a terminal: acknowledged at once, with the way to go on, and exit status 130."""

import os
import shlex
import signal

import pytest
from made_forks import forked
from made_models import LABELS, write_tiny
from made_plain import plain_model
from made_terminal import Terminal
from PIL import Image

from edgekit.cli.interruption import interrupts_acknowledged, this_command

pytestmark = pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
IMAGES = 4000  # seconds of work; as links they cost nothing
# What is shown when Ctrl-C is pressed, and the command.
LONG_COMMANDS = {
    "evaluate": (r"evaluating \S+ \d+/", "evaluate model.onnx photos --report 'my report.html'"),
    "verify": (r"\d+/\d+", "verify model.onnx other.onnx photos"),
    "crops": (r"predicting \S+ \d+/", "crops model.onnx photos -o model-crops.onnx"),
    "quantize": (r"\d+/\d+", "quantize model.onnx --calibration photos --target x86-avx2 -o small.onnx"),
    "bench": (r"measuring \S+ \d+/", "bench model.onnx --rounds 1000 --threads 1"),
    "export": (r"comparing the outputs|listing images", "export model.onnx --images photos --batch 1 -o fixed.onnx"),
    "adopt": (
        r"simplifying",
        "adopt plain.onnx --labels red,green,blue,black --mean 0.5 --std 0.5 --resize 14 --images photos -o new.onnx",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with models, and photos/ with many images."""
    folder = tmp_path_factory.mktemp("interrupted")
    write_tiny(folder / "model.onnx")
    write_tiny(folder / "other.onnx")
    (folder / "plain.onnx").write_bytes(plain_model().SerializeToString())
    for index, label in enumerate(LABELS):
        (folder / "photos" / label).mkdir(parents=True)
        first = folder / "photos" / label / "0.png"
        Image.new("RGB", (40, 30), (60 * index, 90, 200)).save(first)
        for number in range(1, IMAGES // len(LABELS)):
            os.link(first, first.with_name(f"{number}.png"))
    return folder


def interrupted(terminal, progress):
    """Press Ctrl-C when a pattern appears; return the exit code and the lines about the interrupt."""
    terminal.read_until(progress)
    terminal.press_ctrl_c()
    code = terminal.finish()
    assert "Traceback" not in terminal.text
    return code, [line for line in terminal.lines() if "interrupted" in line or "to continue" in line]


@pytest.mark.parametrize(("progress", "line"), LONG_COMMANDS.values(), ids=LONG_COMMANDS)
def test_ctrl_c_is_acknowledged_and_names_the_command_that_starts_again(folder, progress, line):
    files = sorted(folder.iterdir())
    with Terminal(*shlex.split(line), folder=folder) as terminal:
        code, lines = interrupted(terminal, progress)
    assert (code, lines) == (130, [f"interrupted; nothing was written; to start again: edgekit {line}"])
    assert sorted(folder.iterdir()) == files


def test_ctrl_c_during_a_resumable_prediction_names_the_command_that_continues(folder):
    line = "predict photos --model model.onnx --resume predictions.jsonl"
    with Terminal(*shlex.split(line), folder=folder) as terminal:
        code, lines = interrupted(terminal, r"predicting \S+ [1-9]")
    assert (code, lines) == (130, [f"interrupted; to continue: edgekit {line}"])
    before = (folder / "predictions.jsonl").read_text()
    with Terminal(*shlex.split(lines[0].partition("edgekit ")[2]), folder=folder) as terminal:
        assert terminal.finish() == 0
    after = (folder / "predictions.jsonl").read_text()
    (folder / "predictions.jsonl").unlink()
    assert after.startswith(before)
    assert after.count("\n") == IMAGES


@pytest.mark.slow
def test_ctrl_c_during_training_saves_and_names_the_command_that_continues(bars, tmp_path):
    line = ("train", "bars", "--model", "lenet5", "--epochs", "100000", "--workers", "0")
    with Terminal(*line, folder=tmp_path) as terminal:
        code, lines = interrupted(terminal, "epoch 2/100000 ")
    checkpoint = "runs/lenet5-scratch-1/last.safetensors"
    assert f"state saved to {checkpoint}; --resume continues from it" in terminal.lines()
    (saving, advice) = lines
    assert (code, saving) == (130, "interrupted; saving after this step (press Ctrl-C again to stop without saving)")
    assert advice == f"interrupted; to continue: edgekit {' '.join(line)} --run runs/lenet5-scratch-1 --resume"
    with Terminal(*shlex.split(advice.partition("edgekit ")[2]), folder=tmp_path) as terminal:
        code, lines = interrupted(terminal, r"resuming after \d+ of 100000 epochs(.|\n)*epoch \d+/")
    assert (code, lines[-1]) == (130, advice)


def test_ctrl_c_before_the_first_checkpoint_names_the_command_that_starts_again(bars, tmp_path):
    line = ("train", "bars", "--model", "lenet5", "--run", "first run")
    with Terminal(*line, folder=tmp_path) as terminal:
        code, lines = interrupted(terminal, "preparing")
    advice = "edgekit train bars --model lenet5 --run 'first run'"
    assert code == 130
    assert lines[-1] == f"interrupted; no epoch was finished; to start again: {advice}"


def test_interrupts_acknowledged_prints_at_the_moment_of_the_signal(capfd):
    at_once = []

    def work():
        with interrupts_acknowledged(lambda: "nothing\nwas written"):
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                at_once.append(capfd.readouterr().err)

    with pytest.raises(SystemExit) as end:
        work()
    assert (at_once, end.value.code) == (["interrupted; nothing\\nwas written\n"], 130)
    assert capfd.readouterr().err == ""


def test_interrupts_acknowledged_restores_the_handler_and_respects_ignored_interrupts(capfd):
    before = signal.getsignal(signal.SIGINT)
    with interrupts_acknowledged(lambda: ""):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell
    try:
        with interrupts_acknowledged(lambda: ""):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == ""


def test_only_the_process_that_was_asked_acknowledges(capfd):
    def interrupted():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return 7
        return 0

    with interrupts_acknowledged(lambda: "advice"):
        child = forked(interrupted)  # a worker process inherits the handler
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert capfd.readouterr().err == ""


def test_outputs_that_were_written_are_named(edgekit, monkeypatch, tmp_path, tiny_artifact, photos):
    """The report is complete, and Ctrl-C comes before the command ends."""
    import edgekit.report as report_room

    write_report = report_room.write_report

    def write_and_interrupt(*arguments):
        write_report(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(report_room, "write_report", write_and_interrupt)
    report = tmp_path / "report.html"
    code, _, err = edgekit("evaluate", tiny_artifact, photos, "--report", report)
    assert code == 130
    assert f"interrupted; wrote {report}; to start again: edgekit evaluate " in err


def test_this_command_is_quoted_for_a_shell(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/bin/edgekit", "crops", "my model.onnx", "it's"])
    command = this_command("-o", "a b.onnx")
    assert command.startswith("edgekit crops ")
    assert shlex.split(command) == ["edgekit", "crops", "my model.onnx", "it's", "-o", "a b.onnx"]

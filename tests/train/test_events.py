"""Event files for TensorBoard, read back by that package."""

import sys

import pytest

from edgekit.errors import EdgekitError, SpecError
from edgekit.train.callbacks import EpochResult
from edgekit.train.events import EventLog, check_log


def result(epoch, **changes):
    values = {"epoch": epoch, "epochs": 3, "loss": 2.0, "train_accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.25}
    values |= {"macro_recall": None, "never_predicted": None, "learning_rate": 0.1, "seconds": 1.5}
    return EpochResult(**values | changes)


def test_check_log_names_the_package_to_install(monkeypatch):
    check_log(None)
    with pytest.raises(SpecError, match="unknown log 'tensorbord'; did you mean tensorboard"):
        check_log("tensorbord")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(EdgekitError, match="`log` tensorboard needs the package tensorboard; run: pip install tensorb"):
        check_log("tensorboard")


def test_event_log_of_a_resumed_run_has_every_epoch_once(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for epochs in ((1, 2), (2, 3)):  # the first run was killed before epoch 2 was saved
        log = EventLog(tmp_path)
        for epoch in epochs:
            log.write(result(epoch, loss=float(epoch), val_loss=None if epoch == 1 else 0.5))
        log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        *("loss/train", "loss/val", "accuracy/train", "accuracy/val", "learning rate", "seconds"),
    }
    assert [(event.step, event.value) for event in events.Scalars("loss/train")] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert [event.step for event in events.Scalars("loss/val")] == [2, 3]

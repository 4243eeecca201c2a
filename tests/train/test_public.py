import subprocess
import sys

import pytest

import edgekit.train
from edgekit.errors import MissingDependency


def test_the_names_of_the_package_are_there():
    assert edgekit.train.__all__ == ["Recipe", "load_checkpoint", "read_recipe", "train"]
    for name in edgekit.train.__all__:
        assert getattr(edgekit.train, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = edgekit.train.trian


def test_a_door_without_torch_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependency, match=r"edgekit\[train\]"):
        _ = edgekit.train.train


def test_the_settings_need_no_torch():
    code = "import sys, edgekit.train.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

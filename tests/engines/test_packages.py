import pytest

from edgekit.engines.packages import import_engine
from edgekit.errors import EdgekitError


def test_import_engine_returns_the_module():
    assert import_engine("json.decoder", requirement="json").JSONDecoder


def test_import_engine_names_the_command_that_installs_the_package():
    with pytest.raises(
        EdgekitError, match=r"^absent_engine is not installed; run: pip install 'absent-engine\[data\]'$"
    ):
        import_engine("absent_engine.data", requirement="absent-engine[data]")


def test_import_engine_lets_the_missing_dependency_of_an_engine_speak(tmp_path, monkeypatch):
    (tmp_path / "broken_engine.py").write_text("import absent_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_dependency"):
        import_engine("broken_engine", requirement="broken-engine")

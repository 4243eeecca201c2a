"""What a reader of the documentation has at hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.hub.model_files import default_model, model_path


@pytest.fixture(scope="module", autouse=True)
def _readers_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Only the default model is stored: what other tests store would show in `edgekit models`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_HOME", str(tmp_path_factory.mktemp("home")))
        model_path(default_model())
        yield


@pytest.fixture(scope="session")
def readers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that write_readers_folder writes. Do not change it."""
    from made_reader import write_readers_folder  # here, because it needs torch and most tests go without it

    folder = tmp_path_factory.mktemp("reader")
    write_readers_folder(folder)
    return folder

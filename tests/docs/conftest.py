"""What a reader of the documentation has at hand."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def readers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that write_readers_folder writes. Do not change it."""
    from made_reader import write_readers_folder  # here, because it needs torch and most tests go without it

    folder = tmp_path_factory.mktemp("reader")
    write_readers_folder(folder)
    return folder

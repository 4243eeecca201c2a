"""One environment with the engines, and images whose predictions the tests of all engines compare with."""

from pathlib import Path

import pytest
from made_engines import make_engine_environment
from made_jobs import write_photos

COUNT = 40


@pytest.fixture(scope="session")
def engine_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that sees the packages of this one, and has Ray and Daft."""
    return make_engine_environment(tmp_path_factory.mktemp("engines") / "environment")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, the third of which is broken."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    write_photos(folder, COUNT, broken=(3,))
    return folder

"""What all tests share: where the real data lies."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("EDGEKIT_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights; tests that need it skip where it is absent (a stranger's clone)."""
    if not SHARED.is_dir():
        pytest.skip("the real data is not here; set EDGEKIT_SHARED to its folder")
    return SHARED

"""Python in a child process: what it prints, and how its failures are reported."""

import os

import pytest

from edgekit.errors import EdgekitError
from edgekit.runtime.child_process import run_python


def test_run_python_returns_what_was_printed(tmp_path):
    program = "import os, sys; print(os.getcwd(), sys.argv[1], os.environ['HERE'])"
    printed = run_python(
        "-c", program, tmp_path / "x", timeout_s=30, folder=tmp_path, environment={"HERE": "ä"} | os.environ
    )
    assert printed.split() == [str(tmp_path), str(tmp_path / "x"), "ä"]


def test_run_python_reports_the_last_line_of_stderr():
    with pytest.raises(EdgekitError, match=r"^ValueError: no good$"):
        run_python("-c", "print('begun'); raise ValueError('no good')", timeout_s=30)


def test_run_python_reports_a_silent_death_and_a_process_that_does_not_end():
    with pytest.raises(EdgekitError, match="ended with status 7"):
        run_python("-c", "import os; os._exit(7)", timeout_s=30)
    with pytest.raises(EdgekitError, match="did not end within 1 s"):
        run_python("-c", "import time; time.sleep(60)", timeout_s=1)

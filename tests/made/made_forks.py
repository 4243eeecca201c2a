"""Forked processes that always end, so that none goes on with the tests."""

import os
import traceback
from collections.abc import Callable


def forked(work: Callable[[], int]) -> int:
    """Fork a process that does `work` and ends with its result as the exit status; 1 if it raises.

    Returns:
        The number of the process, to be waited for.
    """
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)

"""Pillow's JPEG decoder, which takes longer to import than to decode a photo."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_MODULE = "PIL.JpegImagePlugin"


@contextmanager
def decoder_imported_meanwhile() -> Iterator[None]:
    """Import the JPEG decoder in another thread while the body runs, and wait for it at the end of the block.

    The body should leave Python's lock to others, as onnxruntime does while it opens a model: on two cores, the first
    image then no longer waits for the import. No thread is left that a fork could cut off.
    """
    thread = None if _MODULE in sys.modules else threading.Thread(target=_import_decoder, name="edgekit-import")
    if thread is not None:
        with suppress(RuntimeError):  # the system allows no more threads: the first image imports it
            thread.start()
    try:
        yield
    finally:
        if thread is not None and thread.ident is not None:
            thread.join()


def _import_decoder() -> None:
    with suppress(ImportError):  # of a broken Pillow, which the first JPEG reports
        __import__(_MODULE)

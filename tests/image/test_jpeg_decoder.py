"""The import of Pillow's JPEG decoder while a model is opened."""

import subprocess
import sys
import threading

import pytest

from edgekit.image import jpeg_decoder
from edgekit.image.jpeg_decoder import decoder_imported_meanwhile

DECODER = "decoder_of_a_test"


@pytest.fixture
def decoder(tmp_path, monkeypatch):
    """A module that writes down the thread that imports it."""
    (tmp_path / f"{DECODER}.py").write_text("import threading\nthread = threading.current_thread()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(jpeg_decoder, "_MODULE", DECODER)
    yield
    sys.modules.pop(DECODER, None)


def test_the_decoder_is_imported_in_another_thread_which_ends_with_the_block(decoder):
    with decoder_imported_meanwhile():
        pass

    thread = sys.modules[DECODER].thread
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_a_decoder_that_is_imported_needs_no_thread(decoder, monkeypatch):
    __import__(DECODER)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread was started"))

    with decoder_imported_meanwhile():
        pass


def test_a_system_without_more_threads_imports_nothing(decoder, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with decoder_imported_meanwhile():
        pass

    assert DECODER not in sys.modules


def test_an_error_of_the_block_is_raised_after_the_import(decoder):
    with pytest.raises(ValueError, match="broken model"), decoder_imported_meanwhile():
        raise ValueError("broken model")

    assert not sys.modules[DECODER].thread.is_alive()


def test_a_decoder_that_is_missing_is_left_to_the_first_image(monkeypatch):
    monkeypatch.setattr(jpeg_decoder, "_MODULE", "no_such_decoder")

    with decoder_imported_meanwhile():
        pass


def test_an_opened_classifier_has_imported_the_decoder_and_left_no_thread():
    code = (
        "import sys, threading\n"
        "from edgekit import Classifier\n"
        "assert 'PIL.JpegImagePlugin' not in sys.modules\n"
        "classifier = Classifier('lenet5-mnist-int8', threads=1)\n"
        "assert 'PIL.JpegImagePlugin' in sys.modules\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

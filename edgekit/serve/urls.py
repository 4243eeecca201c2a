"""Images at addresses that requests name: only of the public internet."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from edgekit.errors import ImageError, truncated
from edgekit.hub.web_image import WebImage
from edgekit.serve.request_errors import Busy

_MAX_URL = 200  # characters in messages
_AT_A_TIME = 8
_MAX_WAITING = 32
_RETRY_S = 5


class UrlFetcher:
    """Downloads images, some at a time, in threads of its own: slow servers must not hold those that predict.

    Only http and https; private addresses are refused after resolving and on every redirect, and proxies are not used.

    Args:
        max_bytes: largest image.
        timeout_s: seconds for one image.
    """

    def __init__(self, *, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._waiting = 0
        self._slots = asyncio.Semaphore(_AT_A_TIME)

    async def fetch(self, url: str) -> bytes:
        """Download an image.

        Raises:
            Busy: too many downloads wait, or this one has waited for as long as one may take.
            ImageError: it cannot be downloaded; the message is that of the command line.
        """
        if self._waiting >= _MAX_WAITING:
            raise _too_many()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise _too_many() from None
        finally:
            self._waiting -= 1
        loop = asyncio.get_running_loop()
        result: asyncio.Future[bytes] = loop.create_future()

        def settle(content: bytes, error: BaseException | None) -> None:
            self._slots.release()  # only now: a client that leaves does not end the thread
            if not result.done():
                result.set_result(content) if error is None else result.set_exception(error)

        def work() -> None:
            content, error = b"", None
            try:
                content = self._download(url)
            except BaseException as problem:  # also a fault of ours: somebody waits for the result
                error = problem
            with suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(settle, content, error)

        threading.Thread(target=work, name="edgekit-serve-url", daemon=True).start()
        return await result

    def _download(self, url: str) -> bytes:
        try:
            content = WebImage(url, timeout_s=self._timeout_s, public_only=True).read(self._max_bytes + 1)
        except (OSError, ValueError) as error:
            raise ImageError(f"{truncated(url, _MAX_URL)}: {error}") from None
        if len(content) > self._max_bytes:
            raise ImageError(f"{truncated(url, _MAX_URL)}: more than the limit of {self._max_bytes} bytes")
        return content


def _too_many() -> Busy:
    return Busy("the server is busy: too many images are being fetched; try again later", retry_after_s=_RETRY_S)

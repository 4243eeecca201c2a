"""`edgekit serve`: predictions over HTTP."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli.named_models import ready_model
from edgekit.cli.options import Argument, Option
from edgekit.cli.wrong_files import check_model_files

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from edgekit.serve.shared_values import SharedValues

EXAMPLES = """Examples:
  edgekit serve
  edgekit serve model.onnx --port 8080
  curl --data-binary @photo.jpg 'http://127.0.0.1:8000/predict?top=3'
  curl -F image=@first.jpg -F image=@second.jpg http://127.0.0.1:8000/predict
  edgekit serve a.onnx b.onnx --host 0.0.0.0 --api-key-file keys.txt --workers 2 --reload-models
"""
_LIMITS, _ACCESS, _PROCESSES = "Limits", "Access", "Processes and logs"


def run(
    model: Annotated[
        tuple[str, ...],
        Argument(
            "Model files (.onnx) or names from `edgekit models`; the first is used if a request names none.",
            metavar="MODEL...",
            default_text="EDGEKIT_MODEL, or as marked by `edgekit models`",
        ),
    ] = (),
    host: Annotated[str, Option("Address to listen on; 0.0.0.0 lets other machines connect.", metavar="ADDRESS")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, Option("Port to listen on; 0 for any free one.", metavar="PORT", least=0, most=65535)] = 8000,
    threads: Annotated[
        int | None,
        Option("Images predicted at a time, each in one thread.", least=1, default_text="available cores / --workers"),
    ] = None,
    no_page: Annotated[bool, Option("Serve no page for browsers at /.")] = False,
    reload_models: Annotated[bool, Option("Load a model file again when it is replaced.")] = False,
    api_key_file: Annotated[
        Path | None,
        Option(
            "Require one of the keys in this text file, one per line.",
            metavar="FILE",
            default_text="none",
            panel=_ACCESS,
        ),
    ] = None,
    allow_host: Annotated[
        tuple[str, ...],
        Option(
            "Accept requests to this host name besides localhost and IP addresses. Repeat for several.",
            metavar="NAME",
            panel=_ACCESS,
            default_text="any name with --api-key-file or if other machines can connect; else none",
            argument="hosts",
        ),
    ] = (),
    allow_urls: Annotated[
        bool,
        Option("Let requests name images by http and https URLs; private addresses are refused.", panel=_ACCESS),
    ] = False,
    workers: Annotated[
        int,
        Option(
            "Processes that share the port; each loads the models. One that ends is replaced.",
            least=1,
            most=256,
            panel=_PROCESSES,
        ),
    ] = 1,
    grace: Annotated[
        float,
        Option(
            "Seconds to finish requests in after SIGTERM or Ctrl-C.",
            metavar="SECONDS",
            least=0,
            panel=_PROCESSES,
            argument="grace_s",
        ),
    ] = 30.0,
    access_log: Annotated[bool, Option("Log each request.", panel=_PROCESSES)] = False,
    log_json: Annotated[bool, Option("Log one JSON object per line.", panel=_PROCESSES)] = False,
    queue: Annotated[
        int,
        Option("Requests that may wait for a thread; further ones get status 503.", least=0, panel=_LIMITS),
    ] = 64,
    deadline: Annotated[
        float,
        Option(
            "Seconds until a request whose body has arrived gets status 504.",
            metavar="SECONDS",
            least=0.001,
            panel=_LIMITS,
            argument="deadline_s",
        ),
    ] = 30.0,
    body_timeout: Annotated[
        float,
        Option(
            "Seconds in which a body must arrive, and one more for each 4096 bytes of it.",
            metavar="SECONDS",
            least=0.001,
            panel=_LIMITS,
            argument="body_timeout_s",
        ),
    ] = 20.0,
    max_bytes: Annotated[
        int,
        Option(
            "Largest body of a request, in bytes.",
            least=1,
            panel=_LIMITS,
            default_text="32 MiB",
            argument="max_body_bytes",
        ),
    ] = 32 * 2**20,
    max_images: Annotated[int, Option("Most images in one request.", least=1, panel=_LIMITS)] = 64,
    max_pixels: Annotated[
        int,
        Option("Largest height x width of an image, in pixels.", least=1, panel=_LIMITS, default_text="50 million"),
    ] = 50_000_000,
) -> None:
    """Serve models over HTTP: an image in, its labels as JSON out, with a page for browsers and metrics.

    POST an image to /predict to get what `edgekit predict --json` prints for it. Listens on this machine only, unless
    --host says otherwise.
    """
    from edgekit.optional import require

    for package in ("starlette", "uvicorn"):
        require(package, extra="serve")
    from edgekit.runtime.cpu import available_threads
    from edgekit.serve import ServeSettings
    from edgekit.serve.api_keys import read_api_keys
    from edgekit.serve.hosts import is_loopback
    from edgekit.serve.logs import configure_logging
    from edgekit.serve.server import ServerOptions, serve

    keys = () if api_key_file is None else read_api_keys(api_key_file)
    settings = ServeSettings(
        threads=threads if threads is not None else max(1, available_threads() // workers),
        queue=queue,
        deadline_s=deadline,
        max_body_bytes=max_bytes,
        body_timeout_s=body_timeout,
        max_images=max_images,
        max_pixels=max_pixels,
        api_keys=keys,
        hosts=allow_host or (() if is_loopback(host) and not keys else None),
        allow_urls=allow_urls,
        reload_models=reload_models,
        page=not no_page,
        access_log=access_log,
    )
    options = ServerOptions(host=host, port=port, workers=workers, grace_s=grace)
    check_model_files(*model)
    for path_or_name in model:
        ready_model(path_or_name)  # what can be built is, with a progress bar
    configure_logging(as_json=log_json)
    _warn(host, keys, api_key_file)

    def create(shared: SharedValues, worker: int) -> Starlette:
        from edgekit.serve import create_app  # here: processes are forked before numpy and onnxruntime are imported

        return create_app(*model, settings=settings, shared=shared, worker=worker)

    serve(create, options=options)


def _warn(host: str, keys: tuple[str, ...], api_key_file: Path | None) -> None:
    """Log who may use the server that probably should not."""
    from edgekit.serve.api_keys import others_can_read
    from edgekit.serve.hosts import is_loopback
    from edgekit.serve.logs import log

    if not keys and not is_loopback(host):
        log(
            logging.WARNING,
            "no_api_keys",
            f"anyone who can connect to {host} can use this server; require keys with --api-key-file",
        )
    if api_key_file is not None and others_can_read(api_key_file):
        log(
            logging.WARNING,
            "keys_readable",
            f"{api_key_file}: other users can read the keys; run: chmod 600 {api_key_file}",
        )

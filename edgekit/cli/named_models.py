"""Models given by name that have to be built first: a progress bar for the download, and a line on stderr for each."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.cli.render import write_message
from edgekit.errors import ArtifactError
from edgekit.hub.model_files import existing_file, model_source, not_stored


def ready_model(path_or_name: str, *, on_note: Callable[[str], None] = write_message) -> str | bytes:
    """Return where a model is read from, as `model_source` does, which builds it first if necessary."""
    path = existing_file(path_or_name)
    if path is not None:
        return path
    from edgekit.cli.progress import download_progress

    with download_progress() as on_bytes:
        return model_source(path_or_name, on_note=on_note, on_bytes=on_bytes)


def build_models(*paths_or_names: str) -> None:
    """Build those of the models that can be built and are not in the cache yet; ignore all others.

    Raises:
        ArtifactError: the cache cannot be written.
    """
    missing = [name for name in dict.fromkeys(paths_or_names) if existing_file(name) is None]
    if missing:
        from edgekit.hub.registry import named_models

        known = named_models()
        for name in missing:
            if name in known:
                notes: list[str] = []
                if isinstance(ready_model(name, on_note=notes.append), bytes):
                    raise ArtifactError(not_stored(name))
                write_message(*notes)

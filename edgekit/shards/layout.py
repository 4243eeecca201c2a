"""What a caller states about shards instead of leaving it to their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgekit.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLayout:
    """Which columns of Parquet files are read, and what integer labels stand for.

    Attributes:
        image_column: column of the images: bytes, a struct of bytes and path as Hugging Face writes, or paths relative
            to the file. None for the only column that can be it.
        label_column: column of the labels, integers or text. None for the only column that can be it, if there is one.
        key_column: column of the images' names. None for `__key__` or `key`, else the path of an image, else its row.
        class_names: names of the integer labels, from 0. None for those of Hugging Face's metadata or of the file
            classes.txt beside the shards; without either, integers are the names.
    """

    image_column: str | None = None
    label_column: str | None = None
    key_column: str | None = None
    class_names: tuple[str, ...] | None = None

    def check_used(self, kinds: Iterable[str]) -> None:
        """Raise SpecError if a column is chosen, but no shard is a Parquet file.

        Args:
            kinds: of the shards.
        """
        chosen = [name for name in ("image_column", "label_column", "key_column") if getattr(self, name) is not None]
        if chosen and "parquet" not in kinds:
            raise SpecError(f"`{chosen[0]}` names a column of Parquet files, but the images are in none")

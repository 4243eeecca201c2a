"""Files with many images each: tar files in WebDataset's layout, Parquet files; local, or in an object store.

Reading tar files needs no further packages. Parquet and object stores need those of the extra `bulk`.
"""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

# The module that defines each public name; they are imported on first use.
_HOMES = {
    "Record": "record",
    "Shard": "shard",
    "ShardImage": "record",
    "ShardIndex": "record",
    "ShardLayout": "layout",
    "ShardReader": "reader",
    "find_shards": "find",
    "open_store": "stores",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.shards.find import find_shards as find_shards
    from edgekit.shards.layout import ShardLayout as ShardLayout
    from edgekit.shards.reader import ShardReader as ShardReader
    from edgekit.shards.record import Record as Record
    from edgekit.shards.record import ShardImage as ShardImage
    from edgekit.shards.record import ShardIndex as ShardIndex
    from edgekit.shards.shard import Shard as Shard
    from edgekit.shards.stores import open_store as open_store
else:
    export_lazily(__name__, _HOMES)

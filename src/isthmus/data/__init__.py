"""What goes in: built-in sets, folders of pictures, arrays. One call, `open_data`; one thing back, `Data`."""

from isthmus.data.base import MEMORY_BUDGET, Data, from_unit, to_unit
from isthmus.data.broken import forgiving
from isthmus.data.builtin import BUILTIN, arrays, digits, fashion_mnist, is_builtin, mnist
from isthmus.data.fitting import fit, resize, to_channels, to_depth
from isthmus.data.folders import changed
from isthmus.data.inspection import inspected
from isthmus.data.opening import open_data
from isthmus.data.pairs import by_name, paired
from isthmus.data.pictures import SUFFIXES, is_picture_name, peek, pixels_of, read_picture
from isthmus.data.preparation import prepared
from isthmus.data.shard_writer import write_shards
from isthmus.data.split import choose_parts, read_parts, record_parts, shards_of

__all__ = [
    "open_data",
    "changed",
    "inspected",
    "paired",
    "prepared",
    "by_name",
    "Data",
    "to_unit",
    "from_unit",
    "choose_parts",
    "forgiving",
    "record_parts",
    "read_parts",
    "is_builtin",
    "BUILTIN",
    "arrays",
    "digits",
    "mnist",
    "fashion_mnist",
    "read_picture",
    "pixels_of",
    "peek",
    "is_picture_name",
    "SUFFIXES",
    "resize",
    "fit",
    "to_channels",
    "to_depth",
    "MEMORY_BUDGET",
    "shards_of",
    "write_shards",
]

"""Data sets: built-in names, folders of images, arrays, tables, shards. `open_data` opens all of them as `Data`."""

from isthmus.data.base import MEMORY_BUDGET, Data
from isthmus.data.builtin import BUILTIN, builtin_arrays, digits, fashion_mnist, is_builtin, mnist
from isthmus.data.folder_layout import anomaly_folders
from isthmus.data.folders import changed
from isthmus.data.groups import with_groups
from isthmus.data.label_table import with_labels
from isthmus.data.open import open_data
from isthmus.data.pairs import by_name, with_target
from isthmus.data.preparation import prepared
from isthmus.data.shard_writer import write_shards
from isthmus.data.skip_corrupt import skipping_corrupt
from isthmus.data.split import choose_parts, read_parts, record_parts, shards_of
from isthmus.fields import from_unit, to_unit
from isthmus.media.image_reader import SUFFIXES, is_picture_name, peek, pixels_of, read_picture
from isthmus.media.resize import fit, resize, to_channels, to_depth
from isthmus.renamed import former

__all__ = [
    "open_data",
    "changed",
    "anomaly_folders",
    "with_target",
    "with_groups",
    "with_labels",
    "prepared",
    "by_name",
    "Data",
    "to_unit",
    "from_unit",
    "choose_parts",
    "skipping_corrupt",
    "record_parts",
    "read_parts",
    "is_builtin",
    "BUILTIN",
    "builtin_arrays",
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
__getattr__ = former(__name__, __name__, {"arrays": "builtin_arrays", "paired": "with_target"})

"""Write into the configs of the shipped models every argument that they lack, so that no changed default changes them.

    python benchmarks/complete_configs.py

Models packed by train_models.py have all of them; run this before the default of a constructor is changed whose
argument is new.
"""

from __future__ import annotations

from isthmus import (
    autoencoder,  # noqa: F401 -- importing registers the words
    models,
    store,
)
from isthmus.registry import with_defaults

if __name__ == "__main__":
    for name in models.names():
        path = models.folder_of(name) / store.CONFIG
        config = store.read_json(path)
        whole = config | {"model": with_defaults(config["model"])}
        if whole != config:
            store.write_json(path, whole)
            print(f"{path} completed")

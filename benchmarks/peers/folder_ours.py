"""A folder of pictures as a training of isthmus reads it: opened, then shuffled batches. Prints one JSON line.

    python folder_ours.py FOLDER BATCH EPOCHS [large]

The first epoch includes the opening. `large`: as if the folder were over the memory budget, so that it is read a
batch at a time, the way large folders are.
"""

import json
import sys
import time
from importlib.metadata import version

import torch

from isthmus.data import base, open_data, to_unit
from isthmus.distributed import keep_freed_memory

batch, epochs = int(sys.argv[2]), int(sys.argv[3])
if "large" in sys.argv:
    base.MEMORY_BUDGET = 0
keep_freed_memory()  # as fit() does
seconds, began = [], time.perf_counter()
data = open_data(sys.argv[1])
if data.in_memory:
    data = data.to("cpu")
for _ in range(epochs):
    seen = 0
    for rows in torch.randperm(len(data)).split(batch):
        seen += len(to_unit(data.batch(rows), data.range))
    assert seen == len(data)
    seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
versions = {"isthmus": version("isthmus"), "torch": torch.__version__}
print(json.dumps({"epoch_seconds": seconds, "threads": torch.get_num_threads(), "versions": versions}))

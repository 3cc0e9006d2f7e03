"""isthmus itself, run as its peers are: in a process of its own. Prints one JSON line.

    python ours.py FILE.npz  RECIPE  CREATE-KEYS  FIT-KEYS  EPOCHS [EPOCHS ...]

The keys are JSON objects. Several EPOCHS are several trainings, each timed whole, from the pixels to the last weight.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch

import isthmus

file, recipe, create, keys = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
pixels = np.load(file)["train"]
whole = []
try:
    for epochs in map(int, sys.argv[5:]):
        began = time.perf_counter()
        model = isthmus.create(recipe, **create)
        run = isthmus.fit(model, pixels, epochs=epochs, lr=1e-3, validation=0.0, test=0.0, quiet=True, **keys)
        if keys["device"] == "cuda":
            torch.cuda.synchronize()
        whole.append(time.perf_counter() - began)
except isthmus.BadInput as error:
    print(json.dumps({"skipped": str(error)}))
else:
    seconds = [row["seconds"] for row in run.history]
    versions = {"isthmus": version("isthmus"), "torch": torch.__version__}
    found = {"epoch_seconds": seconds, "whole": whole, "threads": torch.get_num_threads()}
    print(json.dumps(found | {"versions": versions}))

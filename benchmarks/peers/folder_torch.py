"""A folder of pictures of one size through a DataLoader: Pillow in two workers. Prints one JSON line.

    python folder_torch.py FOLDER BATCH EPOCHS

Bytes travel between the processes and are made float in the batch. The first epoch includes finding the files and
starting the workers, which then stay.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset):
    def __init__(self, folder):
        self.paths = sorted(Path(folder).glob("*.jpg"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, place):
        with Image.open(self.paths[place]) as image:
            pixels = np.array(image.convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)


if __name__ == "__main__":
    batch, epochs = int(sys.argv[2]), int(sys.argv[3])
    seconds, began = [], time.perf_counter()
    pictures = Pictures(sys.argv[1])
    loader = DataLoader(pictures, batch_size=batch, shuffle=True, num_workers=2, persistent_workers=True)
    for _ in range(epochs):
        seen = 0
        for part in loader:
            seen += len(part.float() / 255)
        assert seen == len(pictures)
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    versions = {"torch": torch.__version__, "pillow": PIL.__version__}
    print(json.dumps({"epoch_seconds": seconds, "threads": torch.get_num_threads(), "versions": versions}))

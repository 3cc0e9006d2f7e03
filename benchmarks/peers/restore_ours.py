"""Our denoiser on one picture: python restore_ours.py PICTURE.npy MODEL. Seconds of three calls after a first one."""

import json
import sys
import time

import numpy as np
import torch

import isthmus

picture, model = np.load(sys.argv[1]), sys.argv[2]
isthmus.denoise(picture, model=model)
seconds = []
for _ in range(3):
    began = time.perf_counter()
    isthmus.denoise(picture, model=model)
    seconds.append(time.perf_counter() - began)
megapixels = picture.shape[0] * picture.shape[1] / 1e6
print(json.dumps({"seconds": seconds, "megapixels": megapixels, "threads": torch.get_num_threads()}))

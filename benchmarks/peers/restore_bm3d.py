"""BM3D on one picture: python restore_bm3d.py PICTURE.npy SIGMA. Seconds of one call; it compiles nothing first."""

import json
import sys
import time

import bm3d
import numpy as np

picture, sigma = np.load(sys.argv[1]) / 255, float(sys.argv[2]) / 255
began = time.perf_counter()
(bm3d.bm3d_rgb if picture.ndim == 3 else bm3d.bm3d)(picture, sigma)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": [seconds], "megapixels": picture.shape[0] * picture.shape[1] / 1e6}))

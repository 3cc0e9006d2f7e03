"""Classical restorers on pictures, in an environment of its own: JOB.npz in, OUT.npz out, versions on the last line.

    python restore.py JOB.npz OUT.npz

JOB.npz: x0, x1, ... C×H×W float64; for holes m0, m1, ... 1×H×W of bool; and runs, a JSON text [[function of this file,
its options], ...]. OUT.npz: y{run}-{picture}, C×H×W uint8.
`sigma` is always the standard deviation of the noise, of 1.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np


def bm3d(x, mask, sigma):
    import bm3d

    if len(x) == 1:
        return bm3d.bm3d(x[0], sigma)[None]
    return bm3d.bm3d_rgb(x.transpose(1, 2, 0), sigma).transpose(2, 0, 1)


def _inpaint(x, mask, radius, method):
    import cv2

    pixels = np.ascontiguousarray(np.rint(255 * x).astype(np.uint8).transpose(1, 2, 0))
    done = cv2.inpaint(pixels, mask[0].astype(np.uint8), radius, getattr(cv2, method)) / 255
    return np.atleast_3d(done).transpose(2, 0, 1)


def telea(x, mask, radius=3):
    return _inpaint(x, mask, radius, "INPAINT_TELEA")


def ns(x, mask, radius=3):
    return _inpaint(x, mask, radius, "INPAINT_NS")


def biharmonic(x, mask):
    from skimage.restoration import inpaint_biharmonic

    return inpaint_biharmonic(x, mask[0], channel_axis=0)


def stabilized(denoise):
    """The same denoiser on the square-root scale of Anscombe, where Poisson-Gaussian noise is σ 1 everywhere; back by
    the closed form of the exact unbiased inverse (Mäkitalo & Foi 2013)."""

    def changed(x, mask, strength, photons, read, stabilize=False, **more):
        if not stabilize:
            return denoise(x, strength, float(np.sqrt(max(x.mean(), 0) / photons + read**2)), **more)
        noise = (photons * read) ** 2
        root = 2 * np.sqrt(np.maximum(photons * x + 3 / 8 + noise, 0))
        top = 2 * np.sqrt(photons + 3 / 8 + noise)
        d = np.maximum(top * denoise(root / top, strength, 1 / top, **more), 1.0)
        count = d**2 / 4 + np.sqrt(1.5) / 4 / d - 11 / 8 / d**2 + 5 / 8 * np.sqrt(1.5) / d**3 - 1 / 8 - noise
        return count / photons

    return changed


@stabilized
def nlm(x, strength, sigma, patch=5):
    from skimage.restoration import denoise_nl_means

    # Gray without its channel: scikit-image 0.26 gives a picture of one channel back transposed.
    return denoise_nl_means(x[0], patch, 11, h=strength * sigma, sigma=sigma, fast_mode=True)[None]


@stabilized
def tv(x, strength, sigma):
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(x, weight=strength * sigma, channel_axis=0)


@stabilized
def wavelets(x, strength, sigma):
    from skimage.restoration import cycle_spin, denoise_wavelet

    options = {"sigma": strength * sigma, "wavelet": "sym4", "rescale_sigma": True}
    return cycle_spin(x[0], func=denoise_wavelet, max_shifts=3, func_kw=options, num_workers=1)[None]


if __name__ == "__main__":
    job, out = np.load(sys.argv[1]), sys.argv[2]
    results, seconds = {}, []
    for run, (method, options) in enumerate(json.loads(str(job["runs"]))):
        began = time.perf_counter()
        for key in (key for key in job.files if key[0] == "x"):
            mask = job["m" + key[1:]] if "m" + key[1:] in job.files else None
            y = globals()[method](job[key], mask, **options)
            if y.shape != job[key].shape:
                sys.exit(f"{method} gives {y.shape} for {job[key].shape}")
            results[f"y{run}-{key[1:]}"] = np.rint(255 * np.clip(y, 0, 1)).astype(np.uint8)
        seconds.append(time.perf_counter() - began)
    np.savez(out, **results)
    packages = ("numpy", "scipy", "scikit-image", "PyWavelets", "opencv-python-headless", "bm3d", "bm4d")
    print(json.dumps({"seconds": seconds, "versions": {name: version(name) for name in packages}}))

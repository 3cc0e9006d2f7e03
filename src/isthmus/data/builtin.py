"""Built-in data sets: digits from scikit-learn, mnist and fashion-mnist from their original files."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from isthmus.data.base import Data, Numbered
from isthmus.data.download import Progress, cache_folder, checksum, fetch
from isthmus.data.split import permutation
from isthmus.errors import BadInput, unknown
from isthmus.fields import ends_of

MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
}
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# (bytes, sha256) of NAMES.gz, from files with the md5 that the authors published.
FILES = {
    "mnist": (
        (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    "fashion-mnist": (
        (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
}


def digits() -> Data:
    """1,797 handwritten digits 1×8×8, values 0..16, with labels, split 1,437 and 360. Needs no download."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = pixels.astype(np.uint8).reshape(-1, 1, 8, 8)
    order = permutation(0, len(images))
    parts = {"train": np.sort(order[:1437]), "test": np.sort(order[1437:])}
    return _named("digits", images, labels, parts, (0.0, 16.0), hashlib.sha256(images.tobytes()).hexdigest())


def mnist(progress: Progress | None = None) -> Data:
    """70,000 handwritten digits 1×28×28 uint8 with labels: 60,000 to train on, then 10,000 to test.

    From ISTHMUS_DATA, else from the cache, else downloaded. Raises BadInput if none of them has it.
    """
    return _idx_set("mnist", progress)


def fashion_mnist(progress: Progress | None = None) -> Data:
    """70,000 images of clothes 1×28×28, otherwise like mnist."""
    return _idx_set("fashion-mnist", progress)


BUILTIN: dict[str, Callable[[], Data]] = {"digits": digits, "mnist": mnist, "fashion-mnist": fashion_mnist}


def is_builtin(name: object) -> bool:
    """Whether `name` is a built-in set; underscores and capitals are accepted (fashion_mnist, MNIST)."""
    return isinstance(name, str) and _canonical(name) in BUILTIN


def open_builtin(name: str) -> Data:
    """Open a built-in set. Raises BadInput for an unknown name, with the nearest known one."""
    if not is_builtin(name):
        raise unknown("data set", name, BUILTIN)
    return BUILTIN[_canonical(name)]()


def builtin_arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(x_train, x_test) of a built-in set, each N×H×W uint8 in 0..255.

    Also digits, whose original values 0..16 would be almost black as uint8.
    """
    data = open_builtin(name)
    white = int(ends_of(data.range)[1])
    images = data.batch(np.arange(len(data))).numpy()[:, 0]
    images = ((images.astype(np.uint16) * 255 + white // 2) // white).astype(np.uint8)
    return images[data.parts["train"]], images[data.parts["test"]]


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-")


def _idx_set(name: str, progress: Progress | None) -> Data:
    paths = [_locate(name, index, progress) for index in range(len(NAMES))]
    x_train, y_train, x_test, y_test = [read_idx(path) for path in paths]
    images = np.concatenate([x_train, x_test])[:, None]
    parts = {"train": np.arange(len(x_train)), "test": np.arange(len(x_train), len(images))}
    fingerprint = hashlib.sha256("".join(sha for _, sha in FILES[name]).encode()).hexdigest()
    return _named(name, images, np.concatenate([y_train, y_test]), parts, (0.0, 255.0), fingerprint)


def _named(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    parts: dict[str, np.ndarray],
    values: tuple[float, float],
    fingerprint: str,
) -> Data:
    kind = "uint8" if values[1] == 255 else "int64"  # uint8 would mean a white of 255, not 16
    source = {"kind": "builtin", "name": name, "fingerprint": fingerprint, "count": len(images), "dtype": kind}
    return Data(
        items=torch.from_numpy(images),
        shape=images.shape[1:],
        range=values,
        names=Numbered(range(len(images))),
        labels=labels.astype(np.int64),
        parts=parts,
        source={**source, "size": list(images.shape[2:]), "gray": True},
    )


def _locate(name: str, index: int, progress: Progress | None) -> Path:
    """The verified .gz: from ISTHMUS_DATA, else from the cache, else downloaded."""
    filename = NAMES[index] + ".gz"
    size, sha256 = FILES[name][index]
    own = os.environ.get("ISTHMUS_DATA")
    for folder in (name, name.replace("-", "_")) if own else ():
        path = Path(own or "", folder, filename)
        if path.is_file():
            if path.stat().st_size != size or checksum(path) != sha256:
                raise BadInput(
                    f"{path}: not the original file (wrong checksum); replace it, or remove it to download it"
                )
            return path
    path = cache_folder() / name / filename
    if path.is_file():
        if path.stat().st_size == size and checksum(path) == sha256:
            return path
        path.unlink()  # damaged in the cache, so fetched again
    try:
        return fetch([mirror + filename for mirror in MIRRORS[name]], path, sha256=sha256, size=size, progress=progress)
    except BadInput as error:
        files = ", ".join(f"{part}.gz" for part in NAMES)
        raise BadInput(f"{name}: {error}; or put {files} into FOLDER/{name} and set ISTHMUS_DATA=FOLDER") from error


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in a gzipped idx file. Raises BadInput if header and length do not agree."""
    try:
        with gzip.open(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08":
                raise BadInput(f"{path}: not an idx file of bytes")
            dims = np.frombuffer(file.read(4 * head[3]), ">u4").astype(np.int64)
            count = int(np.prod(dims))
            data = file.read(count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: broken gzip file") from error
    if len(dims) != head[3] or len(data) != count:
        actual = "more" if len(data) > count else len(data)
        raise BadInput(f"{path}: its header says {count} bytes, but it holds {actual}")
    return np.frombuffer(data, np.uint8).reshape(dims).copy()

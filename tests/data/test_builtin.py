"""The named sets, and getting them over a network that cuts, lies or is not there."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from isthmus.data import builtin, builtin_arrays, download, is_builtin, open_data
from isthmus.errors import BadInput

needs_data = pytest.mark.skipif("ISTHMUS_DATA" not in os.environ, reason="ISTHMUS_DATA is not set")


def test_digits() -> None:
    data = open_data("digits")
    assert (len(data), data.shape, data.range) == (1797, (1, 8, 8), (0, 16))
    assert (data.batch([0]).max(), data.floats().max()) == (15, 1)
    assert (len(data.parts["train"]), len(data.parts["test"])) == (1437, 360)
    assert np.array_equal(np.sort(np.concatenate(list(data.parts.values()))), np.arange(1797))
    assert np.bincount(data.labels).min() > 170
    assert data.parts["test"][:3].tolist() == builtin.digits().parts["test"][:3].tolist()
    assert open_data("digits", like={"shape": [64], "range": [0, 16]}).floats().shape == (1797, 64)
    assert open_data("digits", size=16).shape == (1, 16, 16)
    first = open_data("digits", first=10)
    assert (len(first), sum(len(part) for part in first.parts.values())) == (10, 10)


def test_arrays_are_plain_uint8() -> None:
    x_train, x_test = builtin_arrays("digits")
    assert (x_train.shape, x_test.shape, x_train.dtype) == ((1437, 8, 8), (360, 8, 8), np.uint8)
    assert x_train.max() == 255
    data = open_data("digits")
    assert abs(open_data(x_test).floats() - data.floats(data.parts["test"])).max() < 0.002


def test_names() -> None:
    assert is_builtin("fashion_mnist")
    assert is_builtin("MNIST")
    assert not is_builtin("photos")
    assert not is_builtin(Path("mnist")), "a path is a path"
    with pytest.raises(BadInput, match="unknown data set 'digit': did you mean 'digits'"):
        builtin_arrays("digit")


@needs_data
@pytest.mark.parametrize(("name", "mean"), [("mnist", 33.318), ("fashion-mnist", 72.940)])
def test_the_originals(name: str, mean: float) -> None:
    data = open_data(name)
    assert (len(data), data.shape, data.range) == (70000, (1, 28, 28), (0, 255))
    assert data.batch(data.parts["train"]).double().mean().item() == pytest.approx(mean, abs=2e-3)
    assert data.parts["test"].tolist() == list(range(60000, 70000))
    assert np.bincount(data.labels).shape == (10,)
    x_train, x_test = builtin_arrays(name)
    assert (x_train.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


class Mirror(BaseHTTPRequestHandler):
    """Serves `files`: good, bad (every byte turned), portal (a log-in page), simple (knows no Range).

    The next `cut` answers stop half way.
    """

    files: dict[str, bytes]
    cut: int
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        kind, name = self.path.strip("/").split("/")
        wanted = self.headers.get("Range")
        type(self).asked.append((self.path, wanted))
        data = self.files.get(name)
        if data is None:
            self.send_error(404)
            return
        if kind == "bad":
            data = bytes(255 - byte for byte in data)
        if kind == "portal":
            data = b"<html>please log in</html>"
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and kind != "simple" else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        body = data[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if type(self).cut:
            type(self).cut -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch, tmp_path: Path) -> Iterator[str]:
    """The address of a server with a tiny set named mnist; nothing of the user's own is looked at."""
    rng = np.random.default_rng(0)
    shapes = [(20, 28, 28), (20,), (5, 28, 28), (5,)]
    contents = [idx(rng.integers(0, 10, shape)) for shape in shapes]
    Mirror.files = {f"{name}.gz": data for name, data in zip(builtin.NAMES, contents, strict=True)}
    Mirror.cut, Mirror.asked = 0, []
    table = tuple((len(data), hashlib.sha256(data).hexdigest()) for data in contents)
    monkeypatch.setitem(builtin.FILES, "mnist", table)
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{httpd.server_port}"
    monkeypatch.setitem(builtin.MIRRORS, "mnist", (f"{address}/good/",))
    yield address
    httpd.shutdown()
    httpd.server_close()


def test_download_once(server: str, tmp_path: Path, capsys) -> None:
    data = open_data("mnist")
    assert (len(data), data.parts["test"].tolist()) == (25, [20, 21, 22, 23, 24])
    assert "downloading train-images-idx3-ubyte.gz" in capsys.readouterr().err
    asked = len(Mirror.asked)
    open_data("mnist")
    assert len(Mirror.asked) == asked == 4
    assert not list(tmp_path.rglob("*.part"))


def test_a_cut_download_is_resumed(server: str) -> None:
    Mirror.cut = 1
    seen: list[tuple[int, int]] = []
    data = builtin.mnist(progress=lambda have, size: seen.append((have, size)))
    assert len(data) == 25
    half = len(Mirror.files["train-images-idx3-ubyte.gz"]) // 2
    assert Mirror.asked[1] == ("/good/train-images-idx3-ubyte.gz", f"bytes={half}-")
    assert seen[0][0] == half
    assert seen[1][0] == seen[1][1]


def test_a_later_run_resumes_even_if_ranges_are_ignored(server: str, tmp_path: Path, monkeypatch) -> None:
    name = "train-images-idx3-ubyte.gz"
    part = tmp_path / "cache" / "mnist" / f"{name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(Mirror.files[name][:100])
    open_data("mnist")
    assert Mirror.asked[0] == (f"/good/{name}", "bytes=100-")
    (tmp_path / "cache" / "mnist" / name).unlink()
    part.write_bytes(b"x" * 100)
    monkeypatch.setitem(builtin.MIRRORS, "mnist", (f"{server}/simple/",))
    assert len(open_data("mnist")) == 25


def test_wrong_bytes_are_deleted_and_the_next_mirror_asked(server: str, monkeypatch, tmp_path: Path) -> None:
    mirrors = tuple(f"{server}/{kind}/" for kind in ("portal", "bad", "good"))
    monkeypatch.setitem(builtin.MIRRORS, "mnist", mirrors)
    assert len(open_data("mnist")) == 25
    monkeypatch.setitem(builtin.MIRRORS, "mnist", mirrors[:2])
    (tmp_path / "cache" / "mnist" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(BadInput, match=r"another file \(26 bytes\); .*: wrong checksum") as caught:
        open_data("mnist")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.part"))


def test_offline_errors_list_mirrors_and_a_remedy(server: str, monkeypatch) -> None:
    monkeypatch.setitem(builtin.MIRRORS, "mnist", ("http://127.0.0.1:9/", f"{server}/good/gone/"))
    monkeypatch.setattr(Mirror, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(
        BadInput, match=r"127\.0\.0\.1:9: connection refused; .*HTTP 404.*ISTHMUS_DATA=FOLDER"
    ) as caught:
        open_data("mnist")
    assert "train-images-idx3-ubyte.gz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_cache_is_fetched_again_but_ones_own_file_is_not_touched(server, tmp_path, monkeypatch) -> None:
    open_data("mnist")
    cached = tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    cached.write_bytes(b"x" * cached.stat().st_size)
    assert len(open_data("mnist")) == 25
    own = tmp_path / "own"
    (own / "mnist").mkdir(parents=True)
    monkeypatch.setenv("ISTHMUS_DATA", str(own))
    (own / "mnist" / cached.name).write_bytes(b"mine")
    with pytest.raises(BadInput, match=r"own/mnist/t10k-labels-idx1-ubyte\.gz: not the original file"):
        open_data("mnist")
    assert (own / "mnist" / cached.name).read_bytes() == b"mine"


def test_cache_folder(monkeypatch) -> None:
    for key in ("ISTHMUS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert download.cache_folder() == Path("/home/somebody/.cache/isthmus")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert download.cache_folder() == Path("/xdg/isthmus")
    monkeypatch.setenv("ISTHMUS_CACHE", "/own")
    assert download.cache_folder() == Path("/own")


def test_idx_header_and_length_must_agree(tmp_path: Path) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    path = tmp_path / "a.gz"
    path.write_bytes(idx(array))
    assert np.array_equal(builtin.read_idx(path), array)
    good = gzip.decompress(idx(array))
    for content, reason in [
        (gzip.compress(good[:-1]), "says 24 bytes, but it holds 23"),
        (gzip.compress(good + b"x"), "holds more"),
        (gzip.compress(b"\0\0\x0d\x01" + good[4:]), "not an idx file"),
        (gzip.compress(b""), "not an idx file"),
        (idx(array)[:20], "broken gzip"),
        (b"plain", "broken gzip"),
    ]:
        path.write_bytes(content)
        with pytest.raises(BadInput, match=reason):
            builtin.read_idx(path)

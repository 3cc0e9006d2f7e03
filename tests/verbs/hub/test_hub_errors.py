"""Errors of the hub: tokens, missing repositories, other servers, truncated downloads."""

from __future__ import annotations

import re
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from helpers.hub import READER, Handler, Hub, equal, one_line

import isthmus
from isthmus.errors import BadInput
from isthmus.verbs.hub import from_hub, push_to_hub


def test_a_missing_or_read_only_token_is_reported(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"me/faces: this token lacks the permission at http.*rights to create") as error:
        push_to_hub(run, "me/faces", token=READER)
    assert one_line(error)
    with pytest.raises(BadInput, match=r"me/faces: http.* requires a valid token: set HF_TOKEN"):
        push_to_hub(run, "me/faces", token="hf_wrong")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    with pytest.raises(BadInput, match="requires a valid token"):
        push_to_hub(run, "me/faces")
    assert hub.repos == {}
    hub.publish("me/there", {"LICENSE": b"free"})
    with pytest.raises(BadInput, match="me/there: this token lacks the permission"):
        push_to_hub(run, "me/there", token=READER)
    assert hub.repos["me/there"].files == {"LICENSE": b"free"}


def test_no_such_repository_and_a_private_one_look_alike(hub: Hub, run: Path, tmp_path: Path) -> None:
    push_to_hub(run, "me/secret", private=True)
    for name in ("me/nothing", "me/secret"):
        with pytest.raises(BadInput, match=f"{name}: no such repository at {hub.url}, or a private one") as error:
            from_hub(name, token="hf_wrong", out=tmp_path / "out")
        assert one_line(error)
    assert not (tmp_path / "out").exists()
    assert equal(from_hub("me/secret", token=READER), isthmus.load(run))


@pytest.mark.parametrize("name", ["", "a/b/c", "me/..", "runs/my run", "/etc/passwd", "me/faces.git"])
def test_a_name_that_no_repository_has_is_refused(name: str, hub: Hub, run: Path) -> None:
    for use in (lambda: from_hub(name), lambda: push_to_hub(run, name)):
        with pytest.raises(BadInput, match="is no name of a repository: name or owner/name") as error:
            use()
        assert one_line(error)
    assert hub.repos == {}


def test_an_unreachable_hub_is_reported(cache: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    for use in (lambda: from_hub("me/faces"), lambda: push_to_hub(run, "me/faces")):
        with pytest.raises(BadInput, match=f"me/faces: {url} cannot be reached") as error:
            use()
        assert one_line(error)


@pytest.mark.parametrize("status", [200, 500])
def test_another_server_is_reported(status: int, hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = [(".*", ("GET", "HEAD", "POST"), lambda handler, **_: handler.say(b"<html>Log in</html>", status))]
    monkeypatch.setattr("helpers.hub.ROUTES", page)
    for use in (lambda: from_hub("me/faces"), lambda: push_to_hub(run, "me/faces")):
        with pytest.raises(BadInput, match=f"me/faces: {hub.url} (does not answer like a hub|answered 500)") as error:
            use()
        assert one_line(error)


def test_a_repository_without_a_run_is_reported(hub: Hub, run: Path, cache: Path, tmp_path: Path) -> None:
    push_to_hub(run, "me/faces")
    whole = hub.repos["me/faces"].files
    hub.publish("me/empty", {})
    hub.publish("me/pickle", {"pytorch_model.bin": b"cos\nsystem"})
    hub.publish("me/other", {"config.json": b'{"architectures": ["BertModel"]}', "model.safetensors": b""})
    hub.publish("me/bare", {"config.json": whole["config.json"]})
    hub.publish("me/strange", {**whole, "config.json": b'{"model": {"name": "os.system"}}'})
    hub.publish("me/newer", {**whole, "config.json": b'{"format": 99, "model": {}}'})
    says = {
        "empty": "me/empty: holds no run of isthmus",
        "pickle": "me/pickle: holds no run of isthmus",
        "other": "me/other/config.json: describes no model",
        "bare": "me/bare: model.safetensors is missing",
        "strange": "unknown module 'os.system'",
        "newer": "me/newer: written in format 99",
    }
    for name, message in says.items():
        with pytest.raises(BadInput, match=message) as error:
            from_hub(f"me/{name}", out=tmp_path / "out")
        assert one_line(error)
        assert str(cache) not in str(error.value)
    assert not (tmp_path / "out").exists()
    assert "pytorch_model.bin" not in hub.got


def test_a_cut_download_is_mended(hub: Hub, run: Path) -> None:
    push_to_hub(run, "me/faces")
    tries: list[str] = []

    def cut_the_first(handler: Handler, content: bytes) -> bool:
        tries.append(handler.path)
        if tries.count(handler.path) > 1 or len(content) < 1000:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:700])
        return True

    hub.spoil = cut_the_first
    with suppress(BadInput):  # before 2.0 huggingface_hub gives up at once
        from_hub("me/faces")
    assert equal(from_hub("me/faces"), isthmus.load(run))
    assert len(tries) == 3  # the prior once, the model twice


def test_a_truncated_download_is_reported_and_leaves_no_run(hub: Hub, run: Path, cache: Path, tmp_path: Path) -> None:
    push_to_hub(run, "me/faces")

    def short(handler: Handler, content: bytes) -> bool:
        handler.say(content[: len(content) // 2])
        return True

    hub.spoil = short
    with pytest.raises(BadInput, match=r"me/faces: .*should be of size") as error:
        from_hub("me/faces", out=tmp_path / "out")
    assert one_line(error)
    assert not (tmp_path / "out").exists()
    assert not list(cache.rglob("model.safetensors"))
    hub.spoil = None
    assert equal(from_hub("me/faces"), isthmus.load(run))


def test_without_the_extra_one_line_names_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for use in (lambda: from_hub("me/faces"), lambda: push_to_hub(run, "me/faces")):
        with pytest.raises(BadInput, match=re.escape("pip install 'isthmus[hub]'")) as error:
            use()
        assert one_line(error)

"""To a hub and back, against a hub of our own on this machine that speaks the part of the protocol they need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import isthmus
from isthmus import store
from isthmus.errors import BadInput
from isthmus.verbs.hub import from_hub, push_to_hub

RIGHT, READER = "hf_right", "hf_reader"  # tokens: one that may write, one that may only read
Files = dict[str, bytes]


# -- a hub --


@dataclass
class Repo:
    private: bool = False
    commits: list[tuple[str, Files]] = field(default_factory=list)  # (hash, what is there), oldest first
    messages: list[str] = field(default_factory=list)

    def commit(self, files: Files, message: str = "") -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {sorted(files)}".encode()).hexdigest()
        self.commits.append((sha, files))
        self.messages.append(message)
        return sha

    @property
    def files(self) -> Files:
        return self.commits[-1][1]


class Hub:
    """Repositories behind HTTP, and a second address that keeps large files, as the real hub does."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.large: Files = {}  # by their SHA-256
        self.asked: list[tuple[str, str, dict[str, str]]] = []  # method, path, headers
        self.spoil: Callable[[Handler, bytes], bool] | None = None  # of a large file on its way out
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), type("_", (Handler,), {"hub": self})) for _ in range(2)]
        self.url, self.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in self.servers)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def publish(self, name: str, files: Files, private: bool = False) -> str:
        """A commit as someone else made it; returns its hash."""
        self.large |= {hashlib.sha256(content).hexdigest(): content for content in files.values()}
        return self.repos.setdefault(name, Repo(private)).commit(files)

    @property
    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.asked]

    @property
    def got(self) -> set[str]:
        """The files that were asked for."""
        return {path.split("/resolve/")[1].split("/", 1)[1] for _, path, _ in self.asked if "/resolve/" in path}


class Refused(Exception):
    pass


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.unchunked()
        self.hub.asked.append((self.command, path, {key.lower(): value for key, value in self.headers.items()}))
        for pattern, method, answer in ROUTES:
            if self.command in method and (found := re.fullmatch(pattern, path)):
                try:
                    answer(self, *found.groups(), **({"body": body} if self.command in ("POST", "PUT") else {}))
                except Refused as error:
                    status, code, said = error.args
                    self.say({"error": said}, status, {"X-Error-Code": code, "X-Error-Message": said})
                return
        self.say({"error": "Sorry, we can't find the page you are looking for."}, 404)

    do_HEAD = do_POST = do_PUT = do_GET

    def unchunked(self) -> bytes:
        body = b""
        while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def say(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for key, one in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, one)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def writer(self) -> None:
        token = self.headers.get("Authorization", "")
        if token == f"Bearer {READER}":
            raise Refused(403, "", 'You don\'t have the rights to create a model under the namespace "me"')
        if token != f"Bearer {RIGHT}":
            raise Refused(401, "", "Invalid username or password.")

    def repo(self, name: str) -> Repo:
        known = self.headers.get("Authorization", "").removeprefix("Bearer ") in (RIGHT, READER)
        if name not in self.hub.repos or (self.hub.repos[name].private and not known):
            raise Refused(404, "RepoNotFound", "Repository not found")
        return self.hub.repos[name]

    def at(self, name: str, revision: str) -> tuple[str, Files]:
        repo = self.repo(name)
        for sha, files in repo.commits:
            if revision == sha:
                return sha, files
        if revision != "main":
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo.commits[-1] if repo.commits else ("0" * 40, {})

    # what huggingface_hub asks for

    def create(self, body: bytes) -> None:
        self.writer()
        asked = json.loads(body)
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        private = asked.get("visibility") == "private" or asked.get("private") is True
        status = 409 if name in self.hub.repos else 200
        self.hub.repos.setdefault(name, Repo(private))
        self.say({"url": f"{self.hub.url}/{name}", "id": name}, status)

    def validate(self, body: bytes) -> None:
        import yaml

        front = json.loads(body)["content"].split("---\n")[1]
        self.say({"errors": [], "warnings": []} if isinstance(yaml.safe_load(front), dict) else {"errors": [1]})

    def info(self, name: str, revision: str = "main") -> None:
        sha, files = self.at(name, revision)
        siblings = [{"rfilename": path} for path in files]
        self.say({"id": name, "modelId": name, "sha": sha, "private": self.repo(name).private, "siblings": siblings})

    def tree(self, name: str, revision: str) -> None:
        entries: list[dict[str, Any]] = []
        for path, content in self.at(name, revision)[1].items():
            entries.append({"type": "file", "path": path, "size": len(content), "oid": git_hash(content)})
            if path.endswith(".safetensors"):
                entries[-1]["lfs"] = {
                    "oid": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 9,
                }
        self.say(entries)

    def preupload(self, name: str, revision: str, body: bytes) -> None:
        self.writer()
        there = self.at(name, revision)[1]
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
                "oid": git_hash(there[file["path"]]) if file["path"] in there else None,
            }
            for file in json.loads(body)["files"]
        ]
        self.say({"files": files})

    def batch(self, name: str, body: bytes) -> None:
        self.writer()
        objects = [
            {
                "oid": one["oid"],
                "size": one["size"],
                "actions": {"upload": {"href": f"{self.hub.storage}/{one['oid']}"}},
            }
            for one in json.loads(body)["objects"]
        ]
        self.say({"transfer": "basic", "objects": objects}, headers={"Content-Type": "application/vnd.git-lfs+json"})

    def store(self, oid: str, body: bytes) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self.say({})

    def commit(self, name: str, revision: str, body: bytes) -> None:
        self.writer()
        files, message = dict(self.at(name, revision)[1]), ""
        for line in body.splitlines():
            key, value = json.loads(line)["key"], json.loads(line)["value"]
            if key == "header":
                message = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            else:
                assert key == "deletedFile"
                del files[value["path"]]
        sha = self.repo(name).commit(files, message)
        self.say({"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{name}/commit/{sha}"})

    def resolve(self, name: str, revision: str, path: str) -> None:
        sha, files = self.at(name, revision)
        if path not in files:
            raise Refused(404, "EntryNotFound", "Entry not found")
        content, commit = files[path], {"X-Repo-Commit": sha}
        if path.endswith(".safetensors"):
            oid = hashlib.sha256(content).hexdigest()
            linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
            self.say(b"", 302, {**commit, **linked, "Location": f"{self.hub.storage}/{oid}"})
        else:
            self.say(content, 200, {**commit, "ETag": f'"{git_hash(content)}"'})

    def fetch(self, oid: str) -> None:
        content = self.hub.large[oid]
        if self.hub.spoil is not None and self.hub.spoil(self, content):
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        where = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self.say(content[start:], 206 if start else 200, where)


def git_hash(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES: list[tuple[str, tuple[str, ...], Callable[..., None]]] = [
    (r"/api/repos/create", ("POST",), Handler.create),
    (r"/api/validate-yaml", ("POST",), Handler.validate),
    (rf"/api/models/{NAME}", ("GET",), Handler.info),
    (rf"/api/models/{NAME}/revision/([^/]+)", ("GET",), Handler.info),
    (rf"/api/models/{NAME}/tree/([^/]+)", ("GET",), Handler.tree),
    (rf"/api/models/{NAME}/preupload/([^/]+)", ("POST",), Handler.preupload),
    (rf"/api/models/{NAME}/commit/([^/]+)", ("POST",), Handler.commit),
    (rf"/{NAME}\.git/info/lfs/objects/batch", ("POST",), Handler.batch),
    (rf"/{NAME}/resolve/([^/]+)/(.+)", ("HEAD", "GET"), Handler.resolve),
    (r"/([0-9a-f]{64})", ("PUT",), Handler.store),
    (r"/([0-9a-f]{64})", ("GET",), Handler.fetch),
]


# -- what the tests share --


@pytest.fixture(autouse=True)
def _quick(one_thread: None) -> None:
    """Every test here runs something tiny."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub, which reads where it lies when it is imported."""
    pytest.importorskip("huggingface_hub", reason="needs the extra hub: pip install 'isthmus[hub]'")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", RIGHT)
    return tmp_path / "cache"


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub()
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    yield served
    served.stop()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as a training on a file leaves it, and beside it what may never be published."""
    folder = tmp_path_factory.mktemp("Anna & Bob") / "patients"
    folder.mkdir()
    np.save(folder / "scans.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8))
    run = folder / "run"
    model = isthmus.create("variational", shape=(1, 8, 8), code=3, widths=(8,))
    isthmus.fit(model, str(folder / "scans.npy"), out=run, epochs=2, quiet=True, device="cpu", validation=0.2)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "mine"
    shutil.copytree(trained, run)
    save_file({"mean": torch.arange(3.0)}, run / "prior.safetensors")
    save_file({"secret": torch.arange(3.0)}, run / ".hidden.safetensors")
    for name in (".model.safetensors.7.tmp", ".env", "notes.txt", "model.pkl", "weights.bin"):
        (run / name).write_bytes(b"private")
    return run


def text_of(files: Files, name: str) -> str:
    return files[name].decode()


def equal(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[key], theirs[key]) for key in ours)


def one_line(error: pytest.ExceptionInfo[BadInput]) -> bool:
    return len(str(error.value).splitlines()) == 1


# -- what is published --


def test_one_commit_publishes_the_files_byte_for_byte(hub: Hub, run: Path) -> None:
    assert push_to_hub(run, "me/faces", message="as they were") == f"{hub.url}/me/faces"
    repo = hub.repos["me/faces"]
    assert repo.messages == ["as they were"]
    assert set(repo.files) == {
        *("config.json", "model.safetensors", "prior.safetensors", "metrics.json"),
        *("history.csv", "index.html", "card.md", "README.md"),
    }
    for name in ("model.safetensors", "prior.safetensors", "metrics.json", "history.csv", "index.html"):
        assert repo.files[name] == (run / name).read_bytes(), name


def test_no_path_of_this_machine_is_published(hub: Hub, run: Path, trained: Path) -> None:
    config = store.read_config(run)
    place = config["about"]["data"]["path"]
    assert place == str(trained.parent / "scans.npy")
    config["about"]["asked"] = {"masks": "/srv/hospital/masks", "labels": "C:\\Users\\anna\\labels.csv", "code": 3}
    config["about"]["asked"]["truth"] = "/srv/hospital"
    config["about"]["data"]["labels"] = {"path": "hospital/labels.csv"}
    store.write_json(run / "config.json", config)
    store.write_json(
        run / "metrics.json",
        {"evaluations": {"scans.npy:test": {"data": place, "psnr": 20.5}, "/srv/hospital/x:all": {}}},
    )
    (run / "index.html").write_text(
        f"<p>{place.replace('&', '&amp;')} and /srv/hospital/masks/a.png, /srv/hospital</p>"
    )

    push_to_hub(run, "me/faces")
    files = hub.repos["me/faces"].files
    sent = b"".join(files.values())
    for secret in ("srv", "anna", "Anna", "patients", str(run)):
        assert secret.encode() not in sent, secret
    config["about"]["data"] |= {"path": "scans.npy", "labels": {"path": "labels.csv"}}
    config["about"]["asked"] = {"masks": "masks", "labels": "labels.csv", "code": 3, "truth": "hospital"}
    assert json.loads(files["config.json"]) == config
    assert "data: scans.npy, " in text_of(files, "card.md")
    assert text_of(files, "card.md") == (run / "card.md").read_text().replace(place, "scans.npy")
    assert text_of(files, "index.html") == "<p>scans.npy and masks/a.png, hospital</p>"
    assert json.loads(files["metrics.json"])["evaluations"]["scans.npy:test"] == {"data": "scans.npy", "psnr": 20.5}


def test_a_short_path_does_not_spoil_the_pictures_of_the_page(hub: Hub, run: Path) -> None:
    config = store.read_config(run)
    config["about"]["data"]["path"] = "/x"
    store.write_json(run / "config.json", config)
    (run / "index.html").write_text('<img src="data:image/png;base64,iVBO/xAA/x==">')
    push_to_hub(run, "me/faces")
    assert hub.repos["me/faces"].files["index.html"] == (run / "index.html").read_bytes()
    assert json.loads(hub.repos["me/faces"].files["config.json"])["about"]["data"]["path"] == "x"


def test_the_hub_gets_a_card_that_it_can_read(hub: Hub, run: Path) -> None:
    import yaml

    push_to_hub(run, "me/faces")
    files = hub.repos["me/faces"].files
    _, front, text = text_of(files, "README.md").split("---\n", 2)
    assert yaml.safe_load(front) == {"library_name": "isthmus", "tags": ["autoencoder", "variational"]}
    assert text.startswith("\n" + text_of(files, "card.md"))
    assert 'isthmus.from_hub("me/faces")' in text


def test_a_model_that_was_only_saved_is_published_with_a_card_of_its_name(hub: Hub, tmp_path: Path) -> None:
    model = isthmus.create("undercomplete", shape=(6,), code=2)
    with pytest.raises(BadInput, match="save it first"):
        push_to_hub(model, "me/plain")
    assert hub.asked == []
    model.path = model.save(tmp_path / "plain")
    push_to_hub(model, "me/plain")
    assert set(hub.repos["me/plain"].files) == {"config.json", "model.safetensors", "README.md"}
    assert "# undercomplete\n" in text_of(hub.repos["me/plain"].files, "README.md")
    assert equal(from_hub("me/plain"), model)


def test_a_second_push_leaves_nothing_of_the_first_and_touches_nothing_else(hub: Hub, run: Path) -> None:
    hub.publish("me/faces", {".gitattributes": b"*", "LICENSE": b"free", "old/a.safetensors": b"theirs"})
    push_to_hub(run, "me/faces")
    (run / "prior.safetensors").unlink()
    (run / "index.html").unlink()
    push_to_hub(run, "me/faces")
    repo = hub.repos["me/faces"]
    assert len(repo.commits) == 3
    assert set(repo.files) == {
        *(".gitattributes", "LICENSE", "old/a.safetensors"),
        *("config.json", "model.safetensors", "metrics.json", "history.csv", "card.md", "README.md"),
    }


def test_a_name_without_its_owner_is_that_of_the_token(hub: Hub, run: Path) -> None:
    assert push_to_hub(run, "faces") == f"{hub.url}/me/faces"
    assert "model.safetensors" in hub.repos["me/faces"].files


def test_private_is_kept_or_nothing_is_sent(hub: Hub, run: Path) -> None:
    push_to_hub(run, "me/secret", private=True)
    assert hub.repos["me/secret"].private
    push_to_hub(run, "me/secret", private=True)
    push_to_hub(run, "me/open")
    assert not hub.repos["me/open"].private
    hub.asked.clear()
    with pytest.raises(BadInput, match="me/open: exists and is public"):
        push_to_hub(run, "me/open", private=True)
    assert not [path for path in hub.paths if "preupload" in path or "commit" in path]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda run: shutil.rmtree(run), "no such run folder"),
        (lambda run: (run / "config.json").unlink(), "config.json is missing"),
        (lambda run: (run / "config.json").write_text("{}"), "describes no model"),
        (lambda run: (run / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda run: (run / "model.safetensors").write_bytes(b"half"), "truncated or damaged safetensors file"),
        (lambda run: (run / "prior.safetensors").write_bytes(b"half"), "truncated or damaged safetensors file"),
        (lambda run: (run / "metrics.json").write_text("{"), "cannot be read"),
    ],
)
def test_an_incomplete_run_is_refused_before_any_request(spoil: Any, says: str, hub: Hub, run: Path) -> None:
    spoil(run)
    with pytest.raises(BadInput, match=says) as error:
        push_to_hub(run, "me/faces")
    assert one_line(error)
    assert hub.asked == []


# -- there and back --


def test_a_downloaded_model_is_equal_to_the_bit(hub: Hub, run: Path, cache: Path) -> None:
    push_to_hub(run, "me/faces")
    ours, theirs = isthmus.load(run), from_hub("me/faces")
    assert equal(ours, theirs)
    x = np.random.default_rng(1).integers(0, 255, (5, 1, 8, 8), dtype=np.uint8)
    assert torch.equal(ours.reconstruct(x), theirs.reconstruct(x))
    assert theirs.about["recipe"] == "variational"
    assert theirs.path is not None
    assert cache in theirs.path.parents
    assert not theirs.training


def test_it_can_be_kept_in_a_folder_of_its_own(hub: Hub, run: Path, tmp_path: Path) -> None:
    push_to_hub(run, "me/faces")
    out = tmp_path / "new" / "faces"
    model = from_hub("me/faces", out=out)
    assert model.path == out
    names = {path.name for path in out.iterdir()}
    assert names == {
        *("config.json", "model.safetensors", "prior.safetensors", "metrics.json", "card.md", "README.md"),
    }
    assert not any(path.is_symlink() for path in out.iterdir())
    assert (out / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    assert equal(isthmus.load(out), model)
    hub.asked.clear()
    with pytest.raises(BadInput, match="exists already"):
        from_hub("me/faces", out=out)
    assert hub.asked == []


def test_a_revision_pins_it(hub: Hub, run: Path) -> None:
    push_to_hub(run, "me/faces")
    first = isthmus.load(run)
    other = isthmus.load(run)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    other.save(run, force=True)
    push_to_hub(run, "me/faces")
    shas = [sha for sha, _ in hub.repos["me/faces"].commits]
    assert equal(from_hub("me/faces", revision=shas[0]), first)
    assert equal(from_hub("me/faces"), other)
    with pytest.raises(BadInput, match="me/faces: has no revision v9"):
        from_hub("me/faces", revision="v9")


def test_executable_files_are_never_requested(hub: Hub, run: Path, tmp_path: Path) -> None:
    push_to_hub(run, "me/faces")
    whole = dict(hub.repos["me/faces"].files)
    bad = ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "modeling.py", "setup.py"]
    bad += ["checkpoints/0000000009.safetensors", "sub/config.json", "parts.json", "index.html", "model.safetensors.py"]
    hub.publish("me/faces", whole | dict.fromkeys(bad, b"import os; os.abort()"))
    hub.asked.clear()
    model = from_hub("me/faces", out=tmp_path / "out")
    assert equal(model, isthmus.load(run))
    wanted = {"config.json", "model.safetensors", "prior.safetensors", "metrics.json", "card.md", "README.md"}
    assert hub.got == wanted
    assert {path.name for path in (tmp_path / "out").iterdir()} == wanted


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_someones_own_modules_are_handed_over(hub: Hub, tmp_path: Path) -> None:
    model = isthmus.create("undercomplete", shape=(6,), code=2)
    model.encoder = Own()
    model._arguments["encoder"] = model.encoder
    model.bottleneck = model._arguments["bottleneck"] = nn.Identity()
    model.save(tmp_path / "own")
    push_to_hub(tmp_path / "own", "me/own")
    with pytest.raises(BadInput, match="encoder of this run is of an unregistered class"):
        from_hub("me/own")
    assert equal(from_hub("me/own", encoder=Own(), bottleneck=nn.Identity()), model)


def test_without_network_the_cache_is_enough(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_hub(run, "me/faces")
    from_hub("me/faces")
    sha = hub.repos["me/faces"].commits[0][0]
    hub.stop()
    assert equal(from_hub("me/faces"), isthmus.load(run))
    assert equal(from_hub("me/faces", revision=sha), isthmus.load(run))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert equal(from_hub("me/faces"), isthmus.load(run))
    with pytest.raises(BadInput, match=r"me/other: .*(cannot be reached|offline)") as error:
        from_hub("me/other")
    assert one_line(error)


def test_requests_hold_no_private_information(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub.constants as constants

    # The telemetry of huggingface_hub goes to the hub that it knew when it was imported, once a day: to ours, now.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    for place in ("constants", "file_download"):
        url = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(f"huggingface_hub.{place}.HUGGINGFACE_CO_URL_TEMPLATE", url, raising=False)
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(run / "none.json"), raising=False)
    push_to_hub(run, "me/faces")
    from_hub("me/faces")
    sha = hub.repos["me/faces"].commits[0][0]
    assert {path for path in hub.paths if "/api/" in path} <= {
        "POST /api/repos/create",
        "GET /api/models/me/faces/tree/main",
        "POST /api/validate-yaml",
        "POST /api/models/me/faces/preupload/main",
        "POST /api/models/me/faces/commit/main",
        "GET /api/models/me/faces/revision/main",
        f"GET /api/models/me/faces/tree/{sha}",
    }
    for _, path, headers in hub.asked:
        assert "torch" not in headers["user-agent"], path
        assert not (re.fullmatch("/[0-9a-f]{64}", path) and "authorization" in headers), "a token left the hub"
    assert constants.HF_HUB_DISABLE_TELEMETRY is False
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


# -- what goes wrong --


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
    monkeypatch.setattr(f"{__name__}.ROUTES", page)
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

"""A server on this machine that speaks the part of the hub protocol that isthmus needs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from torch import nn

from isthmus.errors import BadInput

RIGHT, READER = "hf_right", "hf_reader"  # tokens: one that may write, one that may only read
Files = dict[str, bytes]
LARGE = (".safetensors", ".onnx", ".pt2")  # files that the hub keeps in its storage


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
            if path.endswith(LARGE):
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
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
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
        if path.endswith(LARGE):
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


def text_of(files: Files, name: str) -> str:
    return files[name].decode()


def equal(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[key], theirs[key]) for key in ours)


def one_line(error: pytest.ExceptionInfo[BadInput]) -> bool:
    return len(str(error.value).splitlines()) == 1

"""A feature extractor from a hub: one file, downloaded only because the user named its repository."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from isthmus.data.hub_api import hub_api
from isthmus.errors import BadInput
from isthmus.features.base import FrozenFeatures
from isthmus.features.exported import FORMATS, LIMIT, ExportedFeatures

ADDRESS = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<file>.+))?")


def from_hub(address: str) -> FrozenFeatures:
    """The features of OWNER/NAME, if it holds one .onnx or .pt2 file, or of OWNER/NAME/FILE.

    The file is kept in the cache of huggingface_hub, which works without network, and compared with the checksum that
    the hub states. Raises BadInput for another repository or file, and without network and cache.
    """
    found = ADDRESS.fullmatch(address)
    if not found:
        raise BadInput(f"hub:{address}: hub:OWNER/NAME or hub:OWNER/NAME/FILE is accepted")
    repo, file = found["repo"], found["file"]
    with hub_api(repo, None) as api:
        name, size = _choose(_files(api, repo), repo, file)
        if size > LIMIT:
            raise BadInput(f"{repo}/{name}: {size / 1e9:.1f} GB; at most {LIMIT / 1e9:.0f} GB is accepted")
        path = Path(api.hf_hub_download(repo, name))
    _verify(path, f"{repo}/{name}")
    try:
        return ExportedFeatures.from_file(path)
    except BadInput as error:
        raise BadInput(str(error).replace(str(path), f"{repo}/{name}")) from error


def _files(api: Any, repo: str) -> dict[str, int]:
    """The files of a repository and their bytes; without network those in the cache."""
    try:
        return {file.rfilename: file.size or 0 for file in api.model_info(repo, files_metadata=True).siblings}
    except Exception:
        try:
            folder = Path(api.snapshot_download(repo, local_files_only=True))
        except Exception:
            folder = None  # the first failure is the reason
        if folder is None:
            raise
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _choose(files: dict[str, int], repo: str, file: str | None) -> tuple[str, int]:
    programs = sorted(name for name in files if _is_program(name))
    have = f"it has {', '.join(programs)}" if programs else "it has no .onnx or .pt2 file"
    if file is not None and file not in programs:
        raise BadInput(f"{repo}: {file} is no .onnx or .pt2 file of this repository; {have}")
    if file is None and len(programs) != 1:
        raise BadInput(f"{repo}: {have}; name one as in hub:{repo}/{programs[0] if programs else 'FILE.onnx'}")
    name = file or programs[0]
    return name, files[name]


def _is_program(name: str) -> bool:
    return Path(name).suffix.lower().removeprefix(".") in FORMATS


def _verify(path: Path, name: str) -> None:
    """Compare a file with its checksum: in the cache of huggingface_hub a file is a link to a blob of that name."""
    stated, content = path.resolve().name, path.read_bytes()
    computed = {
        64: hashlib.sha256(content).hexdigest(),  # of a large file
        40: hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest(),  # of git
    }.get(len(stated))
    if computed is None or not re.fullmatch("[0-9a-f]+", stated):
        return  # a file system without links, where the name is lost
    if computed != stated:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise BadInput(f"{name}: wrong checksum; the file was removed from the cache, so that it is downloaded again")

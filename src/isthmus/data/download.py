"""Download of a file from the first working mirror, resumable and verified by its checksum."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from isthmus.errors import BadInput
from isthmus.files import cannot_write

BLOCK = 2**17
TIMEOUT = 20.0  # seconds without a byte
TRIES = 3  # requests per mirror, as long as each makes progress

Progress = Callable[[int, int], None]  # (bytes so far, total bytes)


def cache_folder() -> Path:
    """ISTHMUS_CACHE, or XDG_CACHE_HOME/isthmus, or ~/.cache/isthmus; not created here."""
    if own := os.environ.get("ISTHMUS_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isthmus"


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(urls: Sequence[str], path: Path, *, sha256: str, size: int, progress: Progress | None = None) -> Path:
    """Download `path` from the first of `urls` that sends `size` bytes of this sha256.

    `path` is written atomically. A lost connection is resumed from `path`.part, now or in a later run; wrong bytes are
    deleted and the next mirror is tried. `progress` is called with (bytes so far, size); by default one line is
    printed to stderr.

    Raises BadInput with the error of each mirror.
    """
    part = path.with_name(path.name + ".part")
    errors: list[str] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    if progress is None:
        print(f"downloading {path.name} ({size / 1e6:.1f} MB) to {path.parent}", file=sys.stderr)
    for url in urls:
        reason = _from_mirror(url, part, size, progress)
        if not reason:
            if checksum(part) == sha256:
                os.replace(part, path)
                return path
            part.unlink()
            reason = "wrong checksum"
        errors.append(f"{urlsplit(url).netloc}: {reason}")
    raise BadInput(f"{path.name}: cannot be downloaded ({'; '.join(errors)})")


def _from_mirror(url: str, part: Path, size: int, progress: Progress | None) -> str:
    """Fill `part` up to `size` bytes. Returns '' on success, else the reason."""
    reason = ""
    for _ in range(TRIES):
        before = part.stat().st_size if part.exists() else 0
        if before > size:
            part.unlink()
            before = 0
        if before == size:
            return ""
        try:
            reason = _request(url, part, before, size, progress)
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(error)
        after = part.stat().st_size if part.exists() else 0
        if after == size:
            return ""
        if after <= before:
            break
        reason = reason or f"cut off at {after} of {size} bytes"
    return reason or "sent nothing"


def _request(url: str, part: Path, start: int, size: int, progress: Progress | None) -> str:
    """Request the missing bytes once. Returns the reason if the response is not usable, else ''."""
    request = urllib.request.Request(url, headers={"User-Agent": "isthmus"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        resumed = response.status == 206
        if resumed and not str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-"):
            return "resumed at another offset than requested"
        length = response.headers.get("Content-Length")
        if length and int(length) != size - (start if resumed else 0):
            return f"has another file ({length} bytes)"
        have = start if resumed else 0
        try:
            file = part.open("ab" if resumed else "wb")
        except OSError as error:
            raise cannot_write(part, error) from error
        with file:
            while have < size and (block := response.read(min(BLOCK, size - have))):
                file.write(block)
                have += len(block)
                if progress is not None:
                    progress(have, size)
    return ""


def _reason(error: Any) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__).lower()

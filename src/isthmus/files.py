"""Writing so that a reader never sees half a file, and nothing is left behind when writing fails."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isthmus.errors import BadInput


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` at the end, or remove it on any error.

    Raises BadInput with one line where there is no space, no permission or no such folder.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> BadInput:
    reason = error.strerror or str(error)
    return BadInput(f"{path}: cannot be written ({reason.lower()})")


def claim(out: Path | str, *, force: bool = False, hint: str = "--force writes over it") -> Path:
    """Say that `out` is to be written: it must not exist yet (`force` allows it), and its folder must be writable.

    Raises BadInput otherwise, before any work has been done.
    """
    out = Path(out)
    if out.exists() and not force and not (out.is_dir() and not any(out.iterdir())):
        raise BadInput(f"{out}: exists already; name another, or {hint}")
    nearest = next(p for p in [out, *out.absolute().parents] if p.exists())
    if not os.access(nearest, os.W_OK):
        raise BadInput(f"{out}: cannot be written (permission denied)")
    return out


@contextmanager
def whole_folder(out: Path | str, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `out` that becomes `out` at the end, or vanishes on any error.

    With `force` an `out` that holds files already keeps those of other names. Raises BadInput as claim does.
    """
    out = claim(out, force=force)
    if out.is_file():
        raise BadInput(f"{out}: is a file, and a folder is to be written")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise cannot_write(out, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if out.is_dir() and any(out.iterdir()):  # forced: what is ours is written over, what is not stays
            for file in [path for path in temporary.rglob("*") if path.is_file()]:
                place = out / file.relative_to(temporary)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, place)
        else:
            os.replace(temporary, out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

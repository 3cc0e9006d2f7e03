"""Atomic writing of files and folders: a reader never sees half a file, and a failure leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isthmus.errors import BadInput

OUTPUT_BEGAN = threading.Event()  # until then Ctrl-C on the command line leaves nothing to clean up


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` at the end, or remove it on any error.

    Raises BadInput if there is no space, no permission or no such folder.
    """
    OUTPUT_BEGAN.set()
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


def check_output(out: Path | str, *, force: bool = False, hint: str = "--force overwrites it") -> Path:
    """Check before any work that `out` can be written: it does not exist (or `force`), and its folder is writable.

    Raises BadInput otherwise.
    """
    out = Path(out)
    if out.exists() and not force and not (out.is_dir() and not any(out.iterdir())):
        raise BadInput(f"{out}: exists already; choose another path, or {hint}")
    nearest = next(p for p in [out, *out.absolute().parents] if p.exists())
    if not os.access(nearest, os.W_OK):
        raise BadInput(f"{out}: cannot be written (permission denied)")
    return out


@contextmanager
def atomic_folder(out: Path | str, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `out` at the end, or is removed on any error.

    With `force`, files of other names that `out` holds already are kept. Raises BadInput as check_output does.
    """
    OUTPUT_BEGAN.set()
    out = check_output(out, force=force)
    if out.is_file():
        raise BadInput(f"{out}: is a file; a path for a folder is accepted")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise cannot_write(out, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if out.is_dir() and any(out.iterdir()):  # forced: files of the same name are replaced, others stay
            for file in [path for path in temporary.rglob("*") if path.is_file()]:
                target = out / file.relative_to(temporary)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
        else:
            os.replace(temporary, out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

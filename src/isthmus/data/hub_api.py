"""A session with the Hugging Face Hub, or another hub at HF_ENDPOINT; every failure is one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isthmus.errors import BadInput

SETTINGS = {"HF_HUB_DISABLE_TELEMETRY": True, "HF_HUB_DISABLE_XET": True}  # works with every hub


@contextmanager
def hub_api(repo: str, token: str | None, revision: str | None = None, writes: bool = False) -> Iterator[Any]:
    """The API of the hub at HF_ENDPOINT; every failure becomes a one-line BadInput."""
    try:
        from huggingface_hub import HfApi, constants
    except ImportError as error:
        raise BadInput("the hub needs huggingface_hub: pip install 'isthmus[hub]'") from error
    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    version = sys.modules["isthmus"].__version__  # an import would make every job a part of this layer
    try:
        # Older versions parse the reply to a commit with the endpoint of their import.
        with _settings({**SETTINGS, "ENDPOINT": endpoint} if writes else SETTINGS):
            yield HfApi(endpoint, token=token, library_name="isthmus", library_version=version)
    except BadInput:
        raise
    except Exception as error:  # of httpx or requests, of JSON from another server, of a full disk
        raise BadInput(f"{repo}: {_reason(error, endpoint, revision)}") from error


@contextmanager
def _settings(ours: dict[str, Any]) -> Iterator[None]:
    """Temporary settings of huggingface_hub, which it reads at import; without progress bars outside a terminal."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    before = {name: getattr(constants, name, None) for name in ours}
    asked_for = constants.HF_HUB_DISABLE_PROGRESS_BARS is not None or are_progress_bars_disabled()
    hide = not asked_for and not sys.stderr.isatty()
    try:
        vars(constants).update(ours)
        if hide:
            disable_progress_bars()
        yield
    finally:
        vars(constants).update(before)
        if hide:
            enable_progress_bars()


def _reason(error: BaseException, endpoint: str, revision: str | None) -> str:
    """A one-line explanation of an error of huggingface_hub."""
    from huggingface_hub import errors

    if isinstance(error, (errors.LocalEntryNotFoundError, RuntimeError)) and error.__cause__ is not None:
        error = error.__cause__  # the reason
    status = getattr(getattr(error, "response", None), "status_code", None)
    message = str(getattr(error, "server_message", None) or error).strip() or type(error).__name__
    message = message.splitlines()[0]
    if isinstance(error, errors.HFValidationError):
        return "is no name of a repository: name or owner/name, of letters, digits, -, _ and ., is accepted"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"has no revision {revision}"
    if isinstance(error, errors.GatedRepoError):
        return f"is gated: request access on its page at {endpoint}"
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return f"no such repository at {endpoint}, or a private one that this token cannot read"
    if status == 401:
        return f"{endpoint} requires a valid token: set HF_TOKEN, or pass token=... ({message})"
    if status == 403:
        return f"this token lacks the permission at {endpoint} ({message})"
    if status is not None:
        return f"{endpoint} answered {status} ({message})"
    if isinstance(error, (LookupError, TypeError, AttributeError, AssertionError, json.JSONDecodeError)):
        return f"{endpoint} does not answer like a hub ({type(error).__name__}: {message})"
    if isinstance(error, ConnectionError) or type(error).__module__.split(".")[0] in ("httpx2", "httpx", "requests"):
        return f"{endpoint} cannot be reached, or the connection broke ({message})"
    return message

"""Upload of runs to the Hugging Face Hub and download from it, without private information about the data."""

from __future__ import annotations

import html
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from torch import nn

from isthmus import __version__, store
from isthmus.autoencoder import Autoencoder, load_model
from isthmus.errors import BadInput
from isthmus.files import atomic_folder, check_output

README, WEIGHTS = "README.md", "*.safetensors"
TEXTS = (store.METRICS, store.HISTORY, store.PAGE, store.CARD)  # published where the run has them
FETCHED = (store.CONFIG, WEIGHTS, store.METRICS, store.CARD, README)
SETTINGS = {"HF_HUB_DISABLE_TELEMETRY": True, "HF_HUB_DISABLE_XET": True}  # every hub takes files without Xet


def push_to_hub(
    run: Path | str | Autoencoder,
    repo: str,
    *,
    private: bool = False,
    token: str | None = None,
    message: str = "A run of isthmus",
) -> str:
    """Publish a run folder, or that of a model which has one, as `repo` ("name" or "owner/name"); return its URL.

    Published in one commit: config.json, the *.safetensors beside it, metrics.json, history.csv, index.html (which
    shows some pictures of the data), card.md, and the card once more as README.md. Where an earlier push left such a
    file that this run lacks, it is deleted. Never published: checkpoints, hidden files, parts.json (it names the files
    of the data) and anything else. Paths of this machine are cut to their last name in whatever is.

    private: of a new repository; one that is there and public is refused then. token: by default HF_TOKEN, or the one
    that `hf auth login` has kept. HF_ENDPOINT names another hub.

    Raises BadInput for a folder that is no whole run, for a repository that may not be written, without network, and
    without the extra hub.
    """
    folder = run if isinstance(run, (str, Path)) else run.path
    if folder is None:
        raise BadInput("this model has no run folder yet: save it first, as in model.save('runs/it')")
    texts, weights = _published(Path(folder))
    with _hub(repo, token, writes=True) as api:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        url = api.create_repo(repo, private=private, exist_ok=True)
        if private and not api.model_info(url.repo_id).private:
            raise BadInput(f"{url.repo_id}: is there already and public, so private=True cannot be kept")
        files: dict[str, bytes | Path] = {**texts, README: _readme(texts, url.repo_id)}
        files |= {path.name: path for path in weights}
        there = api.list_repo_files(url.repo_id)
        stale = [name for name in there if name not in files and (name in TEXTS or _matches(name, WEIGHTS))]
        added = [CommitOperationAdd(name, content) for name, content in files.items()]
        deleted = [CommitOperationDelete(name) for name in stale]
        api.create_commit(url.repo_id, [*added, *deleted], commit_message=message)
        return str(url)


def from_hub(
    repo: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    out: Path | str | None = None,
    **own: nn.Module,
) -> Autoencoder:
    """The trained model of a run on the hub, the same numbers bit for bit.

    Only config.json, *.safetensors, metrics.json and the card are fetched, into the cache that huggingface_hub keeps;
    nothing of them is ever executed, and without network the cache is enough. revision: a branch, a tag, or the hash of
    a commit, which pins it. out: a new folder to hold the run, which `path` names then. own: as load takes them.

    Raises BadInput where there is no such repository, no run in it, no permission, no network and nothing in the
    cache, a broken file, or no extra hub.
    """
    if out is not None:
        check_output(out, hint="remove it")
    with _hub(repo, token, revision) as api:
        wanted = {"allow_patterns": list(FETCHED), "ignore_patterns": ["*/*"]}  # for the hub, * runs over a / too
        folder = Path(api.snapshot_download(repo, revision=revision, **wanted))
    if not store.is_run(folder):
        raise BadInput(f"{repo}: holds no run of isthmus (config.json is missing)")
    try:
        model = load_model(folder, **own)
    except BadInput as error:
        raise BadInput(str(error).replace(str(folder), repo)) from error
    if out is not None:
        with atomic_folder(out) as new:
            for file in folder.iterdir():
                if _matches(file.name, *FETCHED):
                    shutil.copyfile(file, new / file.name)
        model.path = Path(out)
    return model


def _matches(name: str, *patterns: str) -> bool:
    """Whether a name matches a pattern, is at the top level and is not hidden."""
    return not name.startswith(".") and "/" not in name and any(fnmatchcase(name, pattern) for pattern in patterns)


# -- published files --


def _published(run: Path) -> tuple[dict[str, bytes], list[Path]]:
    """The text files of a run without absolute paths, and its weight files."""
    cut: dict[str, str] = {}
    texts = {store.CONFIG: _json(_shortened(store.read_config(run), cut))}
    if (run / store.METRICS).is_file():
        texts[store.METRICS] = _json(_shortened(store.read_json(run / store.METRICS), cut))
    for name in TEXTS[1:]:
        if (run / name).is_file():
            text = (run / name).read_bytes().decode("utf-8", "surrogateescape")
            for place in sorted(cut, key=len, reverse=True):  # a file before the folder it is in
                text = text.replace(place, cut[place]).replace(html.escape(place), html.escape(cut[place]))
            texts[name] = text.encode("utf-8", "surrogateescape")
    weights = [path for path in {run / store.WEIGHTS, *run.glob(WEIGHTS)} if _matches(path.name, WEIGHTS)]
    for path in weights:
        store.read_tensors(path)  # raises where it is missing or broken
    return texts, sorted(weights)


def _shortened(value: Any, cut: dict[str, str], path: bool = False) -> Any:
    """The same JSON, with every path of this machine (or `path`, whatever it is) cut to its last name.

    `cut` gathers what became what, where a folder was cut off, to be cut from other texts.
    """
    if isinstance(value, dict):
        return {_shortened(key, cut): _shortened(item, cut, key == "path") for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item, cut) for item in value]
    if isinstance(value, str) and (path or PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        parts = PureWindowsPath(value)  # takes / and \ alike
        if len(parts.parts) > 2:  # else it is as short as /data: it says nothing, and base64 may hold the like
            cut[value] = parts.name
        return parts.name
    return value


def _json(value: Any) -> bytes:
    return (json.dumps(store.finite(value), indent=1, ensure_ascii=False) + "\n").encode()


def _readme(texts: dict[str, bytes], repo: str) -> bytes:
    """The card, under the front matter by which the hub knows what it shows, and over how to load the model."""
    about = json.loads(texts[store.CONFIG]).get("about")
    recipe = about.get("recipe") if isinstance(about, dict) else None
    tags = "".join(f"- {json.dumps(tag)}\n" for tag in ("autoencoder", recipe) if tag)  # JSON is YAML too
    card = texts.get(store.CARD, f"# {recipe or 'Autoencoder'}\n".encode())
    use = f"\n    model = isthmus.from_hub({json.dumps(repo)})  # pip install 'isthmus[hub]'\n"
    return f"---\nlibrary_name: isthmus\ntags:\n{tags}---\n\n".encode() + card + use.encode()


# -- the hub --


@contextmanager
def _hub(repo: str, token: str | None, revision: str | None = None, writes: bool = False) -> Iterator[Any]:
    """The API of the hub at HF_ENDPOINT; every failure becomes a one-line BadInput."""
    try:
        from huggingface_hub import HfApi, constants
    except ImportError as error:
        raise BadInput("the hub needs huggingface_hub: pip install 'isthmus[hub]'") from error
    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    try:
        # The older ones read the answer to a commit by the hub that was named when they were imported.
        with _settings({**SETTINGS, "ENDPOINT": endpoint} if writes else SETTINGS):
            yield HfApi(endpoint, token=token, library_name="isthmus", library_version=__version__)
    except BadInput:
        raise
    except Exception as error:  # of httpx or requests, by its version; of JSON, where no hub answers; of a full disk
        raise BadInput(f"{repo}: {_reason(error, endpoint, revision)}") from error


@contextmanager
def _settings(ours: dict[str, Any]) -> Iterator[None]:
    """huggingface_hub under our settings, which it reads when it is imported, and without bars where nobody watches."""
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
        error = error.__cause__  # the error says only that nothing came or went, its cause why
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = str(getattr(error, "server_message", None) or error).strip() or type(error).__name__
    said = said.splitlines()[0]
    if isinstance(error, errors.HFValidationError):
        return "no repository is called that: accepted is name or owner/name, of letters, digits, -, _ and ."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"has no revision {revision}"
    if isinstance(error, errors.GatedRepoError):
        return f"is gated: its page at {endpoint} says who may have it"
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return f"no such repository at {endpoint}, or a private one that this token may not see"
    if status == 401:
        return f"{endpoint} wants a token it knows: set HF_TOKEN, or hand over token=... ({said})"
    if status == 403:
        return f"this token may not do that at {endpoint} ({said})"
    if status is not None:
        return f"{endpoint} answered {status} ({said})"
    if isinstance(error, (LookupError, TypeError, AttributeError, AssertionError, json.JSONDecodeError)):
        return f"{endpoint} does not answer as a hub does ({type(error).__name__}: {said})"
    if isinstance(error, ConnectionError) or type(error).__module__.split(".")[0] in ("httpx2", "httpx", "requests"):
        return f"{endpoint} cannot be reached, or broke off ({said})"
    return said

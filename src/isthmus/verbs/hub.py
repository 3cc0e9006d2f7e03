"""Upload of runs to the Hugging Face Hub and download from it, without private information about the data."""

from __future__ import annotations

import html
import json
import shutil
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from torch import nn

from isthmus import store
from isthmus.autoencoder import Autoencoder
from isthmus.data.hub_api import hub_api
from isthmus.errors import BadInput
from isthmus.files import atomic_folder, check_output
from isthmus.jobs import load

README, WEIGHTS = "README.md", "*.safetensors"
TEXTS = (store.METRICS, store.HISTORY, store.PAGE, store.CARD)  # published if present
FETCHED = (store.CONFIG, WEIGHTS, store.METRICS, store.CARD, README)


def push_to_hub(
    run: Path | str | Autoencoder,
    repo: str,
    *,
    private: bool = False,
    token: str | None = None,
    message: str = "A run of isthmus",
) -> str:
    """Publish a run folder, or that of a model, as `repo` ("name" or "owner/name"); return its URL.

    One commit adds config.json, the *.safetensors of the folder, metrics.json, history.csv, index.html (which shows
    images of the data), card.md, and the card as README.md, and deletes such files of an earlier push that this run
    lacks. No other file is published: no checkpoints, hidden files, or parts.json, which names the files of the data.
    Absolute paths in published files are shortened to their last component.

    private: for a new repository; with private=True an existing public one is refused. token: by default HF_TOKEN, or
    that of `hf auth login`. HF_ENDPOINT names another hub.

    Raises BadInput for an incomplete run folder, a repository without write access, without network, and without the
    extra hub.
    """
    folder = run if isinstance(run, (str, Path)) else run.path
    if folder is None:
        raise BadInput("this model has no run folder yet: save it first, as in model.save('runs/it')")
    texts, weights = _published(Path(folder))
    with hub_api(repo, token, writes=True) as api:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        url = api.create_repo(repo, private=private, exist_ok=True)
        if private and not api.model_info(url.repo_id).private:
            raise BadInput(f"{url.repo_id}: exists and is public, so private=True is impossible")
        files: dict[str, bytes | Path] = {**texts, README: _readme(texts, url.repo_id)}
        files |= {path.name: path for path in weights}
        existing = api.list_repo_files(url.repo_id)
        stale = [name for name in existing if name not in files and (name in TEXTS or _matches(name, WEIGHTS))]
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
    """The trained model of a run on the hub, equal to the bit.

    Only config.json, *.safetensors, metrics.json and the card are downloaded, into the cache of huggingface_hub; no
    code is executed, and the cache works without network. revision: a branch, a tag, or the hash of a commit. out: a
    new folder for the run, which becomes `path` of the model. own: as for load.

    Raises BadInput for a missing repository, a repository without a run, without permission, without network and
    cache, for a corrupt file, and without the extra hub.
    """
    if out is not None:
        check_output(out, hint="remove it")
    with hub_api(repo, token, revision) as api:
        wanted = {"allow_patterns": list(FETCHED), "ignore_patterns": ["*/*"]}  # in these patterns, * matches / too
        folder = Path(api.snapshot_download(repo, revision=revision, **wanted))
    if not store.is_run(folder):
        raise BadInput(f"{repo}: holds no run of isthmus (config.json is missing)")
    try:
        model = load(folder, **own)
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
            for path in sorted(cut, key=len, reverse=True):  # a file before its folder
                text = text.replace(path, cut[path]).replace(html.escape(path), html.escape(cut[path]))
            texts[name] = text.encode("utf-8", "surrogateescape")
    weights = [file for file in {run / store.WEIGHTS, *run.glob(WEIGHTS)} if _matches(file.name, WEIGHTS)]
    for file in weights:
        store.read_tensors(file)  # raises BadInput for a missing or corrupt file
    return texts, sorted(weights)


def _shortened(value: Any, cut: dict[str, str], path: bool = False) -> Any:
    """The JSON with every absolute path (with `path`, every string) shortened to its last component.

    cut: receives path -> last component, for shortening in other texts.
    """
    if isinstance(value, dict):
        return {_shortened(key, cut): _shortened(item, cut, key == "path") for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item, cut) for item in value]
    if isinstance(value, str) and (path or PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        parts = PureWindowsPath(value)  # splits at / and \
        if len(parts.parts) > 2:  # a path as short as /data reveals nothing, and may occur in base64
            cut[value] = parts.name
        return parts.name
    return value


def _json(value: Any) -> bytes:
    return (json.dumps(store.finite(value), indent=1, ensure_ascii=False) + "\n").encode()


def _readme(texts: dict[str, bytes], repo: str) -> bytes:
    """The front matter for the hub, the card, and the line of code that loads the model."""
    about = json.loads(texts[store.CONFIG]).get("about")
    recipe = about.get("recipe") if isinstance(about, dict) else None
    tags = "".join(f"- {json.dumps(tag)}\n" for tag in ("autoencoder", recipe) if tag)  # JSON is YAML too
    card = texts.get(store.CARD, f"# {recipe or 'Autoencoder'}\n".encode())
    use = f"\n    model = isthmus.from_hub({json.dumps(repo)})  # pip install 'isthmus[hub]'\n"
    return f"---\nlibrary_name: isthmus\ntags:\n{tags}---\n\n".encode() + card + use.encode()

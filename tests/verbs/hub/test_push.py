"""push_to_hub: the published files, and their privacy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.hub import Hub, equal, one_line, text_of

import isthmus
from isthmus import store
from isthmus.errors import BadInput
from isthmus.verbs.hub import from_hub, push_to_hub


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

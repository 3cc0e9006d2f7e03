"""from_hub: downloaded models, revisions, the cache, and privacy of requests."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.hub import Hub, equal, one_line
from torch import nn

import isthmus
from isthmus.errors import BadInput
from isthmus.verbs.hub import from_hub, push_to_hub


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

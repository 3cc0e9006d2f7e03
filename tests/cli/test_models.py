"""isthmus models: the cards of shipped models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isthmus import models
from isthmus.cli import main

CARD = {
    "name": "denoise-gray",
    "use": "isthmus denoise: white noise",
    "recipe": "denoise",
    "data": "train400",
    "licence": "research only",
    "weights": 1234567,
    "epochs": 3,
    "training": {"lr": 0.002, "clip": None},
    "seconds": 61,
    "machine": {"processor": "one of ours", "cores": 2},
    "date": "2026-01-31",
    "figures": {"gray": [{"set": "bsd68", "psnr": 29.17}, {"set": "set12", "psnr": 30.44}]},
}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    for card in (CARD, CARD | {"name": "xray", "use": "X-rays", "licence": "any use", "figures": {}}):
        (tmp_path / str(card["name"])).mkdir()
        (tmp_path / str(card["name"]) / models.CARD).write_text(json.dumps(card), encoding="utf-8")
    (tmp_path / "no-card").mkdir()
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit:
        main(["models", *arguments])
    out, err = capsys.readouterr()
    return int(exit.value.code or 0), out, err


@pytest.mark.usefixtures("shipped")
def test_the_table_has_purpose_and_licence_of_each_model(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys)
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.strip()]
    assert [row[0] for row in rows if row[0] in ("denoise-gray", "xray", "no-card")] == ["denoise-gray", "xray"]
    for word in ("model", "for", "X-rays", "train400", "research", "any"):
        assert word in " ".join(" ".join(row) for row in rows)
    assert "1234567" not in out


@pytest.mark.usefixtures("shipped")
def test_with_a_name_the_whole_card_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "denoise-gray")
    assert code == 0
    told = dict(line.split("  ", 1) for line in out.partition("\nfigures")[0].splitlines())
    told = {key: value.strip() for key, value in told.items()}
    assert told["licence"] == "research only"
    assert told["weights"] == "1,234,567"
    assert told["training lr"] == "0.002"
    assert told["training clip"] == "–"
    assert told["machine processor"] == "one of ours"
    assert told["date"] == "2026-01-31"
    assert {*CARD} - {"training", "machine", "figures"} <= {*told}
    table = out.partition("\nfigures gray\n")[2]
    assert "bsd68" in table
    assert "30.44" in table


@pytest.mark.usefixtures("shipped")
def test_as_json_the_cards_come_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(said(capsys, "denoise-gray", "--json")[1]) == CARD
    found: dict[str, Any] = json.loads(said(capsys, "--json")[1])
    assert [card["name"] for card in found["models"]] == ["denoise-gray", "xray"]
    assert found["models"][0] == CARD


@pytest.mark.usefixtures("shipped")
def test_a_name_that_is_not_shipped_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "denoise-grey")
    assert (code, out) == (2, "")
    assert err == "isthmus: unknown shipped model 'denoise-grey': did you mean 'denoise-gray'?\n"


def test_without_shipped_models_a_note_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    code, out, err = said(capsys)
    assert (code, out) == (0, "")
    assert "No model is shipped yet" in err
    assert json.loads(said(capsys, "--json")[1]) == {"models": []}
    code, _, err = said(capsys, "xray")
    assert code == 2
    assert err == "isthmus: unknown shipped model 'xray': there are: none\n"

"""Tables of sensors: every column counts, and is reconstructed in its units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.cli import main
from isthmus.errors import BadInput, Note
from isthmus.metrics import auroc


def sensors(count: int, seed: int) -> np.ndarray:
    """rpm, temperature and vibration that hang together."""
    random = np.random.RandomState(seed)
    load = random.rand(count, 1)
    noise = random.randn(count, 3) * (20, 0.2, 0.0002)
    return (10000, 20, 0.01) + load * (2000, 10, 0.01) + noise


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("sensors")
    rows = sensors(1000, 1)
    np.savetxt(folder / "good.csv", rows, delimiter=",", fmt="%.7g", header="rpm,temp,vib", comments="")
    return isthmus.train("detect", folder / "good.csv", out=folder / "run", epochs=40, least_steps=0, quiet=True)


def test_a_fault_in_any_column_is_seen(run: Any) -> None:
    model, good = isthmus.load(run.path), sensors(200, 2)
    for column, fault in ((0, 0.0), (1, 70.0), (2, 0.4), (2, 0.028)):
        bad = sensors(200, 3)
        bad[:, column] = fault
        scores = [model.detect(rows).score for rows in (good, bad)]
        assert auroc(np.concatenate(scores), np.repeat([0, 1], 200)) > 0.99, (column, fault)


def test_the_odd_columns_are_named(run: Any, tmp_path: Path) -> None:
    rows = sensors(20, 5)
    rows[7, 1], rows[9, 2] = 70, 0.4
    np.savetxt(tmp_path / "new.csv", rows, delimiter=";", fmt="%.7g", header="rpm;temp;vib", comments="")
    found = isthmus.detect(run.path, tmp_path / "new.csv", out=tmp_path / "report")
    assert found[7]["odd"].startswith("temp ")
    assert found[9]["odd"].startswith("vib ")
    assert [row["file"] for row in found if row["verdict"] == "bad"] == ["00007", "00009"]
    assert "odd" in (tmp_path / "report" / "scores.csv").read_text().splitlines()[0]
    assert "temp is 70, usual are" in (tmp_path / "report" / "index.html").read_text()


def test_a_detector_learns_from_one_label_and_is_judged_by_all(tmp_path: Path) -> None:
    rows = sensors(400, 7)
    rows[::4, 2] *= 1.5
    lines = [",".join([*map(str, row), "worn" if n % 4 == 0 else "ok"]) for n, row in enumerate(rows)]
    (tmp_path / "all.csv").write_text("rpm,temp,vib,state\n" + "\n".join(lines))
    with pytest.warns(Note, match="several labels"), pytest.raises(BadInput, match="no item is held back"):
        isthmus.train("detect", tmp_path / "all.csv", out=tmp_path / "no", labels="state", validation=0.0, test=0.0)
    how: dict[str, Any] = {"epochs": 150, "least_steps": 0, "quiet": True}
    run = isthmus.train("detect", tmp_path / "all.csv", out=tmp_path / "run", labels="state", normal="ok", **how)
    figures = isthmus.evaluate(run.path, tmp_path / "all.csv")
    assert (figures["good"], figures["bad"]) == (30, 100), "of the normal rows those that were not learned from"
    assert figures["image_auroc"] > 0.9
    assert figures["per_kind"] == {"worn": figures["image_auroc"]}


def test_errors_of_columns_are_in_their_own_units(run: Any) -> None:
    figures = isthmus.evaluate(run.path)
    found = figures["rmse_per_column"]
    assert list(found) == ["rpm", "temp", "vib"]
    assert 0 < found["vib"] < 0.002 < 0.05 < found["temp"] < 2 < 10 < found["rpm"] < 400
    mean = figures["rmse_of_mean_per_column"]
    assert mean == {
        name: pytest.approx(value, rel=0.2) for name, value in (("rpm", 577), ("temp", 2.9), ("vib", 0.0029))
    }
    assert figures["mse_per_pixel"] < figures["mse_per_pixel_of_mean"]
    assert not {"psnr", "psnr_before"} & set(figures), "columns of several units have no peak"


def test_a_person_reads_a_table_of_columns(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", str(run.path), str(run.path.parent / "good.csv")])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    heads = next(place for place, line in enumerate(lines) if "rmse_of_mean_per_column" in line)
    assert lines[heads].split() == ["column", "rmse_per_column", "rmse_of_mean_per_column"]
    assert [line.split()[0] for line in lines[-3:]] == ["rpm", "temp", "vib"]


def test_a_reconstructed_table_has_its_names(run: Any, tmp_path: Path) -> None:
    np.savetxt(tmp_path / "new.csv", sensors(9, 6)[:, [2, 0, 1]], delimiter=",", header="vib,rpm,temp", comments="")
    isthmus.reconstruct(run.path, tmp_path / "new.csv", out=tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text().splitlines()[0] == "rpm,temp,vib"
    assert np.allclose(np.loadtxt(tmp_path / "again.csv", delimiter=",", skiprows=1), sensors(9, 6), rtol=0.05)


def test_show_lists_the_columns(tmp_path: Path) -> None:
    lines = [f"{n},{n * n % 17 + 0.5},{'ab'[n % 2]},{n % 3}" for n in range(20)]
    (tmp_path / "rows.csv").write_text("id,load,mode,label\n" + "\n".join(lines))
    facts, _ = isthmus.show(tmp_path / "rows.csv")
    kinds = ["load: number, 0.5 to 16.5", "mode: category, a, b", "label: labels", "id: left out, row numbers"]
    assert facts["columns"] == kinds


def test_rows_are_reconstructed_in_their_units(run: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows := sensors(50, 4).astype(np.float32))
    isthmus.reconstruct(run.path, tmp_path / "rows.npy", out=tmp_path / "again.npy")
    apart = np.abs(np.load(tmp_path / "again.npy") - rows).mean(0)
    assert (apart < (200, 1, 0.001)).all(), apart

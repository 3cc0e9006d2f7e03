"""`isthmus train segment`: what is learned, kept in the run, resumed and refused."""

from __future__ import annotations

import json
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.discs import NET, make_run, scene, write_set
from PIL import Image

import isthmus
from isthmus.errors import BadInput, Note
from isthmus.jobs.segmentation import background_check
from isthmus.jobs.segmentation.background_check import AFTER, BackgroundCheck
from isthmus.recipes import create

pytestmark = pytest.mark.usefixtures("one_thread")


def config(run: Path) -> dict[str, Any]:
    text: dict[str, Any] = json.loads((run / "config.json").read_text(encoding="utf-8"))
    return text


def test_it_learns_and_reports_the_held_back_images(binary: Path) -> None:
    figures = json.loads((binary / "run" / "metrics.json").read_text(encoding="utf-8"))["segmentation"]
    assert figures["part"] == "validation"
    assert figures["dice"] > 0.9
    assert figures["dice_interval"][0] <= figures["dice"] <= figures["dice_interval"][1]
    page = (binary / "run" / "index.html").read_text(encoding="utf-8")
    assert "The worst first" in page
    assert "Dice without background, 2 images held back: " in page


def test_the_table_of_classes_is_kept_in_the_run(binary: Path) -> None:
    classes = config(binary / "run")["about"]["data"]["labels"]["classes"]
    assert classes["values"] == [0, 255]
    masks = [np.asarray(Image.open(path)) for path in sorted((binary / "y").iterdir())]
    assert classes["pixels"][:2] == [sum(int((mask == value).sum()) for mask in masks) for value in (0, 255)]
    assert classes["files"][:2] == [12, 12]


def test_the_table_is_printed_at_the_start(tmp_path: Path) -> None:
    write_set(tmp_path, 4)
    with pytest.warns(Note) as notes:
        make_run(tmp_path, "binary", epochs=1)
    text = "\n".join(str(note.message) for note in notes)
    assert "value  class  name" in text
    assert "255    1" in text


def test_patches_of_one_image_are_in_one_part(binary: Path) -> None:
    parts = json.loads((binary / "run" / "parts.json").read_text(encoding="utf-8"))
    images = {part: {name.partition("#")[0] for name in names} for part, names in parts.items()}
    assert len(images["validation"]) == 2
    assert not images["train"] & images["validation"]
    assert len(parts["train"]) > len(images["train"])


def test_objects_add_their_borders_and_distances(instances: Path) -> None:
    made = config(instances / "run")
    assert made["model"]["objective"]["instances"] is True
    assert made["model"]["decoder"]["out"] == 4
    figures = json.loads((instances / "run" / "metrics.json").read_text(encoding="utf-8"))["segmentation"]
    assert figures["instance_ap50"] > 0.5


@pytest.mark.parametrize("masks", ["binary", "objects"])
def test_a_training_stopped_by_ctrl_c_and_resumed_is_the_undisturbed_one_to_the_bit(masks: str, tmp_path: Path) -> None:
    write_set(tmp_path, 6, masks)
    how = NET | {"epochs": 2, "validation": 0.2, "least_steps": 0, "touching": 5.0}
    whole = make_run(tmp_path, masks, "whole", epochs=2, touching=5.0)

    def stop(training: Any) -> None:
        if training.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        isthmus.train(
            "segment", tmp_path / "x", masks=tmp_path / "y", out=tmp_path / "cut", callbacks={"step": stop}, **how
        )
    isthmus.train("segment", tmp_path / "x", out=tmp_path / "cut", resume=True, quiet=True)
    one, other = (isthmus.load(tmp_path / name).state_dict() for name in (whole.name, "cut"))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_warm_start_takes_weights_and_architecture_of_a_denoiser(tmp_path: Path) -> None:
    write_set(tmp_path, 6)
    how = {key: value for key, value in NET.items() if key != "lr"} | {"epochs": 1, "validation": 0.0}
    isthmus.train("denoise", tmp_path / "x", out=tmp_path / "clean", crop=16, blocks=2, **how)
    how = {key: value for key, value in NET.items() if key not in ("channels", "fold")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        run = isthmus.train(
            "segment",
            tmp_path / "x",
            masks=tmp_path / "y",
            out=tmp_path / "run",
            init=tmp_path / "clean",
            epochs=0.01,
            validation=0.0,
            least_steps=0,
            **how | {"lr": 1e-12, "weight_decay": 0.0},
        )
    assert run.model.about["options"]["channels"] == [12, 24]
    assert run.model.about["options"]["blocks"] == 2
    before, after = isthmus.load(tmp_path / "clean").state_dict(), run.model.state_dict()
    shared = [name for name in before if name in after and before[name].shape == after[name].shape]
    assert len(shared) > 10
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in shared)


def test_weights_by_frequency_are_of_mean_one_and_highest_for_the_rarest_class(tmp_path: Path) -> None:
    write_set(tmp_path, 4)
    run = make_run(tmp_path, "binary", epochs=0.1, class_weights="frequency")
    compare, pixels = isthmus.load(run).objective, config(run)["about"]["data"]["labels"]["classes"]["pixels"][:2]
    ground, disc = compare.class_weights.tolist()
    assert disc > ground
    assert (ground * pixels[0] + disc * pixels[1]) / sum(pixels) == pytest.approx(1, abs=1e-3)


def test_images_without_a_mask_are_left_out_with_a_note(tmp_path: Path) -> None:
    write_set(tmp_path, 5)
    (tmp_path / "y" / "03.png").unlink()
    with pytest.warns(Note, match=r"pictures without labels, which are left out: 1 \(03\.png\)"):
        run = make_run(tmp_path, "binary", epochs=0.1)
    assert "03.png" not in (run / "parts.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [None, 64])
def test_a_truncated_image_is_left_out_with_a_note(size: int | None, tmp_path: Path) -> None:
    write_set(tmp_path, 5)
    path = tmp_path / "x" / "02.png"
    path.write_bytes(path.read_bytes()[:-400])
    how = {"epochs": 0.1} | ({} if size is None else {"size": size})
    with pytest.warns(Note, match=r"1 broken of \d+ files skipped: 02\.png"):
        run = make_run(tmp_path, "binary", **how)
    assert "02.png" not in (run / "parts.json").read_text(encoding="utf-8")
    assert config(run)["about"]["data"]["pictures"] == 4


def test_masks_in_the_folder_of_the_images_are_found(tmp_path: Path) -> None:
    write_set(tmp_path, 4)
    for path in (tmp_path / "y").iterdir():
        path.rename(tmp_path / "x" / f"{path.stem}_mask.png")
    run = isthmus.train("segment", tmp_path / "x", out=tmp_path / "run", epochs=0.1, least_steps=0, **NET)
    assert run.data.source["pictures"] == 4
    figures = isthmus.evaluate(tmp_path / "run", tmp_path / "x", split="all")
    assert figures["items"] == 4


def test_deep_images_are_scaled_by_their_own_percentiles(tmp_path: Path) -> None:
    for kind in ("x", "y"):
        (tmp_path / kind).mkdir()
    for number in range(6):
        image, objects = scene(number)
        faint = (300 + (number + 1) * image.astype(np.uint16)).astype(np.uint16)  # another exposure in each
        Image.fromarray(faint).save(tmp_path / "x" / f"{number}.png")
        Image.fromarray((objects > 0).astype(np.uint8)).save(tmp_path / "y" / f"{number}.png")
    run = isthmus.train("segment", tmp_path / "x", masks=tmp_path / "y", out=tmp_path / "run", epochs=6, **NET)
    assert run.data.dtype == torch.uint16
    shares = run.data.floats().flatten(1)
    assert shares.min() == 0
    assert shares.max() == 1
    assert isthmus.evaluate(tmp_path / "run", tmp_path / "x", masks=tmp_path / "y", split="all")["dice"] > 0.85


def test_a_network_that_predicts_background_alone_is_noticed_once() -> None:
    model = create("segment", shape=(1, 16, 16), channels=(8,))
    with torch.no_grad():
        model.decoder.tail.weight.zero_()
        model.decoder.tail.bias.view(2, -1)[0] = 5
    from isthmus.data import open_data

    data = open_data(torch.rand(8, 1, 16, 16))
    labels = torch.zeros(8, 1, 16, 16, dtype=torch.uint8)
    labels[:, :, :4, :4] = 1
    data = data.with_field("target", open_data(labels, kind="labels"))

    class Training:
        plain, parts, step, options = model, {"train": np.arange(8)}, AFTER, {"strategy": "ddp"}

        class fabric:
            is_global_zero = True

    check, training = BackgroundCheck(data), Training()
    with pytest.warns(Note, match=r"every pixel is predicted as background, though 6\.25% of 8 patches are not"):
        check(training)  # type: ignore[arg-type]
    training.step += 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(training)  # type: ignore[arg-type]


def test_background_alone_is_noticed_within_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, 4)
    monkeypatch.setattr(background_check, "AFTER", 2)
    monkeypatch.setattr(background_check, "shares", lambda *_: (0.5, 0.0))
    with pytest.warns(Note, match="after 2 steps every pixel is predicted as background"):
        make_run(tmp_path, "binary", epochs=0.9)


@pytest.mark.parametrize(
    ("prepare", "keys", "text"),
    [
        (lambda folder: (folder / "z").mkdir(), {"masks": "z"}, "z"),
        (lambda folder: None, {"masks": "nowhere"}, "nowhere: no such file or folder"),
        (lambda folder: None, {"class_weights": "1,2,3"}, "3 class weights for 2 classes"),
        (lambda folder: None, {"class_weights": "much"}, "class_weights 'much': none, frequency or a number"),
        (lambda folder: None, {"instances": "maybe"}, "unknown instances 'maybe'"),
        (lambda folder: None, {"code": 5}, "its network has no code"),
    ],
)
def test_unusable_input_is_refused_in_one_line(
    prepare: Any, keys: dict[str, Any], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    with pytest.raises(BadInput, match=text) as error:
        isthmus.train("segment", "x", **{"masks": "y", "out": "run", **NET, **keys})
    assert "\n" not in str(error.value)
    assert not Path("run").exists()


def test_a_data_set_is_no_folder_of_images(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="digits: no such folder; a folder of images is accepted, an array, a "):
        isthmus.train("segment", "digits", masks=tmp_path, out=tmp_path / "run")


def test_masks_are_for_jobs_that_learn_labels(tmp_path: Path) -> None:
    write_set(tmp_path, 3)
    with pytest.raises(BadInput, match="masks: are for segment"):
        isthmus.train("conv", tmp_path / "x", masks=tmp_path / "y", out=tmp_path / "run")
    with pytest.raises(BadInput, match="truth and masks: give only one"):
        isthmus.train("segment", tmp_path / "x", masks=tmp_path / "y", truth=tmp_path / "y", out=tmp_path / "run")

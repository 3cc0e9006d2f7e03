"""Former public names work, with a warning that gives the new name."""

from importlib import import_module

import pytest

from isthmus.registry import FORMER_NAMES, build


@pytest.mark.parametrize(
    ("module", "name", "present"),
    [
        ("isthmus.contracts", "Code", "isthmus.types.Code"),
        ("isthmus.recipes.nets", "dense", "isthmus.recipes.builders.dense"),
        ("isthmus.data.pictures", "read_bytes", "isthmus.media.image_reader.read_bytes"),
        ("isthmus.data.coco", "write_coco", "isthmus.media.coco.write_coco"),
        ("isthmus.bottlenecks", "Open", "isthmus.bottlenecks.Identity"),
        ("isthmus.corruptions", "Shrink", "isthmus.corruptions.Downsample"),
    ],
)
def test_a_former_name_gives_the_present_one(module: str, name: str, present: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is now {present}"):
        found = getattr(import_module(module), name)
    where, _, what = present.rpartition(".")
    assert found is getattr(import_module(where), what)


def test_a_name_that_never_was_is_no_attribute() -> None:
    with pytest.raises(AttributeError):
        import_module("isthmus.bottlenecks").Closed  # noqa: B018


def test_a_config_of_the_first_format_is_built() -> None:
    assert FORMER_NAMES["Shrink"] == "Downsample"
    assert type(build({"name": "Shrink", "scale": 2})).__name__ == "Downsample"
    decoder = {"name": "UNetDecoder", "out": 1, "channels": [8, 4], "blocks": [1], "fold": 1, "finds": False}
    assert build(decoder).predicts_mask is False

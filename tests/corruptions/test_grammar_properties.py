"""Properties of the grammar of corruptions, on random lines of text."""

from __future__ import annotations

import json

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.corruptions import CORRUPTIONS, corruption
from isthmus.errors import BadInput
from isthmus.registry import build, config_of
from isthmus.types import Context, Noise, Sample

IMAGES = torch.rand(4, 3, 24, 32, generator=torch.Generator().manual_seed(0))
STRENGTHS = {
    "gaussian": st.floats(0.01, 0.9).map("{:.3f}".format),
    "masking": st.floats(0.01, 0.9).map("{:.3f}".format),
    "salt-and-pepper": st.floats(0.01, 0.9).map("{:.3f}".format),
    "speckle": st.floats(0.01, 0.9).map("{:.3f}".format),
    "jpeg": st.integers(5, 95).map(str),
}
ONE = st.sampled_from(sorted(STRENGTHS)).flatmap(lambda name: STRENGTHS[name].map(lambda value: f"{name}:{value}"))
LINE = st.lists(st.lists(ONE, min_size=1, max_size=2).map("+".join), min_size=1, max_size=3).map(",".join)
SCRIBBLE = st.text(alphabet="+,:-. 0123456789abegijmnps%é", max_size=24)
FEW = settings(max_examples=40, deadline=None, derandomize=True)


def corrupted(text: str, items: slice = slice(None)) -> Sample:
    module = corruption(text)
    assert module is not None
    return module(Sample.of(IMAGES[items]), Context(Noise(5, 2, len(IMAGES), items)))


@FEW
@given(LINE)
def test_every_line_of_known_corruptions_keeps_the_shape_and_returns_from_its_config(text: str) -> None:
    module = corruption(text)
    sample = corrupted(text)
    assert sample.x.shape == IMAGES.shape
    assert sample.x.isfinite().all()
    config = json.loads(json.dumps(config_of(module)))
    again = build(config)(Sample.of(IMAGES), Context(Noise(5, 2, len(IMAGES), slice(None))))
    assert config_of(build(config)) == config
    assert torch.equal(again.x, sample.x)


@FEW
@given(LINE, st.integers(0, 3))
def test_an_item_is_corrupted_alone_as_in_its_batch(text: str, index: int) -> None:
    rows = slice(index, index + 1)
    assert torch.allclose(corrupted(text, rows).x, corrupted(text).x[rows], rtol=0, atol=1e-6)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(SCRIBBLE, st.tuples(st.sampled_from(sorted(CORRUPTIONS)), SCRIBBLE).map(":".join)))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    message = ""
    try:
        corruption(text)
    except BadInput as error:
        message = str(error)
    assert "\n" not in message

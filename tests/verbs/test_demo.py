"""The demo, whole and once: what its page claims must be so in the run that the reader makes."""

import re
import time

import pytest

from isthmus.errors import BadInput
from isthmus.verbs.demo import demo

CHAPTERS = (
    "A line that may bend",
    "Few numbers: the undercomplete autoencoder",
    "Noise away: the denoising autoencoder",
    "Few at work: the sparse autoencoder",
    "Not easily moved: the contractive autoencoder",
    "Out of nothing: the variational autoencoder",
    "A map of all digits",
    "A language of its own: the VQ-VAE",
    "What does not belong",
    "How they learned",
    "Now yours",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "isthmus-demo"
    rows, page = demo(out)
    return {row["type"]: row for row in rows}, page


def test_the_folder_holds_one_page_and_nothing_lies_beside_it(told):
    _, page = told
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert [path.name for path in page.parent.parent.iterdir()] == [page.parent.name]


def test_the_page_has_every_chapter_and_needs_no_other_file(told):
    html = told[1].read_text("utf-8")
    assert [heading for heading in re.findall(r"<h2[^>]*>([^<]+)</h2>", html) if heading in CHAPTERS] == list(CHAPTERS)
    assert all(link.startswith(("data:", "#")) for link in re.findall(r'(?:src|href)="([^"]*)"', html))
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\((?!#)|\bnan\b", html)
    assert "isthmus train conv MY-FOLDER --out runs/mine" in html
    assert len(html) < 1_000_000


@pytest.mark.parametrize("kind", ["bent line", "undercomplete", "variational map"])
def test_a_bent_code_loses_less_than_pca_of_the_same_size(told, kind):
    row = told[0][kind]
    assert row["figure"] < 0.75 * row["beside"]


def test_cleaning_brings_pictures_nearer_to_the_original(told):
    row = told[0]["denoising"]
    assert row["figure"] > row["beside"] + 4


def test_sparse_units_have_a_favourite_digit_where_plain_ones_have_not(told):
    row = told[0]["sparse"]
    assert row["figure"] > 2 * row["beside"]


def test_grain_moves_the_contractive_code_less_than_the_plain_one(told):
    row = told[0]["contractive"]
    assert row["figure"] < 0.8 * row["beside"]


def test_random_codes_decode_nearer_to_digits_than_with_a_plain_decoder(told):
    row = told[0]["variational"]
    assert row["figure"] < 0.8 * row["beside"]


def test_nearly_all_of_the_codebook_is_in_use(told):
    assert told[0]["quantized"]["figure"] > 0.8


def test_the_digit_left_out_is_found(told):
    row = told[0]["left-out digit"]
    assert row["figure"] > 0.9
    assert row["beside"] > 0.8


def test_a_folder_that_holds_something_is_refused_before_any_work(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    began = time.perf_counter()
    with pytest.raises(BadInput, match="exists already"):
        demo(tmp_path)
    assert time.perf_counter() - began < 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_ctrl_c_leaves_nothing_behind(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.verbs.demo.CHAPTERS", (("a bent line", 100, stop),))
    with pytest.raises(KeyboardInterrupt):
        demo(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())

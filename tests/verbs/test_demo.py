"""One run of the demo: the claims of its page hold in the run that a reader makes."""

import re

import pytest

from isthmus.errors import BadInput
from isthmus.verbs.demo import demo

CHAPTERS = (
    "A curve instead of a line",
    "Undercomplete autoencoder",
    "Denoising autoencoder",
    "Sparse autoencoder",
    "Contractive autoencoder",
    "Variational autoencoder",
    "Latent space in two dimensions",
    "Vector-quantized autoencoder (VQ-VAE)",
    "Anomaly detection",
    "Loss curves",
    "Train on your own images",
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "isthmus-demo"
    rows, page = demo(out)
    return {row["type"]: row for row in rows}, page


def test_the_folder_holds_one_page_alone(result):
    _, page = result
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert [path.name for path in page.parent.parent.iterdir()] == [page.parent.name]


def test_the_page_has_all_chapters_and_needs_no_other_file(result):
    html = result[1].read_text("utf-8")
    assert [heading for heading in re.findall(r"<h2[^>]*>([^<]+)</h2>", html) if heading in CHAPTERS] == list(CHAPTERS)
    assert all(link.startswith(("data:", "#")) for link in re.findall(r'(?:src|href)="([^"]*)"', html))
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\((?!#)|\bnan\b", html)
    assert "isthmus train conv MY-FOLDER --out runs/mine" in html
    assert len(html) < 1_000_000


@pytest.mark.parametrize("kind", ["curve", "undercomplete", "variational, 2-D"])
def test_a_nonlinear_code_has_less_error_than_pca_of_the_same_size(result, kind):
    row = result[0][kind]
    assert row["value"] < 0.75 * row["baseline"]


def test_denoising_raises_psnr(result):
    row = result[0]["denoising"]
    assert row["value"] > row["baseline"] + 4


def test_sparse_units_are_more_selective_than_plain_ones(result):
    row = result[0]["sparse"]
    assert row["value"] > 2 * row["baseline"]


def test_noise_changes_the_contractive_code_less_than_the_plain_one(result):
    row = result[0]["contractive"]
    assert row["value"] < 0.8 * row["baseline"]


def test_random_codes_decode_nearer_to_digits_than_with_a_plain_decoder(result):
    row = result[0]["variational"]
    assert row["value"] < 0.8 * row["baseline"]


def test_most_of_the_codebook_is_used(result):
    assert result[0]["quantized"]["value"] > 0.8


def test_the_digit_left_out_is_detected(result):
    row = result[0]["anomaly detection"]
    assert row["value"] > 0.9
    assert row["baseline"] > 0.8


def test_a_folder_with_content_is_refused_before_any_training(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.verbs.demo.train_all", lambda: pytest.fail("trained"))
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="exists already"):
        demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_ctrl_c_leaves_no_file(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.verbs.demo.CHAPTERS", (("a curve", 100, stop),))
    with pytest.raises(KeyboardInterrupt):
        demo(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())

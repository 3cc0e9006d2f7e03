"""Pictures made larger by their own rows and columns."""

import torch

from isthmus.layers import mirror_to, mirrored


def test_rows_are_mirrored_at_the_last() -> None:
    x = torch.tensor([[[[0.0, 1.0, 2.0]]]])
    assert mirrored(x, 2, 9)[0, 0].tolist() == [[0, 1, 2, 1, 0, 1, 2, 2, 2]] * 2


def test_any_size_grows_to_a_multiple() -> None:
    assert mirror_to(torch.ones(1, 1, 1, 1), 8).shape == (1, 1, 8, 8)
    x = torch.rand(1, 3, 8, 16)
    assert mirror_to(x, 8) is x

"""A watermark is believed where its removal flattens its outline."""

import numpy as np

from isthmus.inference.mask_regions import removed_regions


def test_a_region_counts_if_its_edges_are_gone() -> None:
    before = np.full((60, 120, 3), 100, np.uint8)
    before[20:40, 20:40] = 160  # a watermark
    before[20:40, 80:100] = 170  # a lamp
    mask = before[..., 0] > 100
    after = np.full_like(before, 100)
    after[20:40, 80:100] = 40  # edges as strong as before
    kept = removed_regions(mask, before, after)
    assert kept[20:40, 20:40].all()
    assert not kept[20:40, 80:100].any()
    assert not removed_regions(mask, before, before).any()

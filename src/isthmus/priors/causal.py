"""The layers of a transformer in which a token sees only the tokens before it, with cached keys and values."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.types import Noise

Cache = tuple[Tensor, Tensor]  # keys and values of one layer, N×heads×positions×numbers
Drop = Callable[[Tensor], Tensor]


class Dropout:
    """Set a share of the numbers of N×... to 0, drawn from the noise of the step, and scale the others up."""

    def __init__(self, share: float, noise: Noise | None) -> None:
        self.share, self.noise = share, noise

    def __call__(self, x: Tensor) -> Tensor:
        if self.noise is None or not self.share:
            return x
        return x * ((self.noise.uniform(*x.shape[1:]) >= self.share) / (1 - self.share)).to(x.dtype)


class Layer(nn.Module):
    """Tokens N×T×width -> the same: causal attention and a perceptron, each added to its normalized input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, drop: Drop, cache: Cache | None = None, start: int = 0) -> Tensor:
        """cache: of the tokens before `start`, to which these are added; only one token may follow others."""
        x = x + drop(self.out(self._attention(self.before(x), cache, start)))
        return x + drop(self.narrow(F.gelu(self.wide(self.between(x)))))

    def _attention(self, x: Tensor, cache: Cache | None, start: int) -> Tensor:
        parts = self.query_key_value(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        end = start + x.shape[1]
        if cache is not None:
            for kept, new in zip(cache, (key, value), strict=True):
                kept[:, :, start:end] = new
            key, value = (kept[:, :, :end] for kept in cache)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=x.shape[1] > 1)
        return mixed.transpose(1, 2).flatten(2)

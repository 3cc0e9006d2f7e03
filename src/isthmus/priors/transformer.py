"""An autoregressive transformer over the symbols of a discrete code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.errors import BadInput, at_least
from isthmus.priors.base import Prior
from isthmus.priors.causal import Cache, Drop, Dropout, Layer
from isthmus.priors.draws import Draws
from isthmus.registry import register
from isthmus.types import Context, Losses, Noise, Sample, Shape, times

BLOCK = 64  # items that are sampled at once, always as many: rounding then is the same for an item in any batch


@register
class Transformer(Prior):
    """p(symbols) = Π p(symbol | the symbols before it in raster order, label), by a transformer (Radford et al. 2019).

    shape: of the grid of symbols, (h, w) or (T,). codes: number of different symbols. The first token is the label, or
    the null label. unigram: the log frequency of each symbol, [codes]; the network adds its logits to it, so that an
    untrained prior knows the frequencies.

    width, depth: on 7×7 symbols of MNIST, 512 codes, 40 seconds of one core led to 114 held-back nats with a width of
    128 (335 steps of 32), and to 137 with 192 (171 steps at half the rate); the frequencies alone give 293.
    """

    name = "transformer"
    discrete = True
    learned = True
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "epochs": 10,
        "least_steps": 2000,
        "batch_size": 32,
        "lr": 2e-3,
        "schedule": "cosine",
        "warmup": 0.05,
        "weight_decay": 0.05,
        "clip": 1.0,
        "ema": 0.999,
        "patience": 3,
    }
    unigram: Tensor

    def __init__(
        self,
        shape: Shape,
        classes: int = 0,
        codes: int = 512,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        at_least("codes", codes, 1)
        if width % heads:
            raise BadInput(f"prior transformer: width={width} and heads={heads}: the width must be a multiple of heads")
        super().__init__(shape, classes)
        self.codes, self.tokens, self.heads = codes, math.prod(self.shape), heads
        self.register_buffer("unigram", torch.full((codes,), -math.log(codes)))
        self.label, self.symbol = nn.Embedding(classes + 1, width), nn.Embedding(codes, width)
        self.position = nn.Parameter(torch.zeros(self.tokens, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, codes, bias=False)
        self.dropout = dropout
        self._initialize()

    def _initialize(self) -> None:
        """As in GPT-2: N(0, 0.02²), and less for the last layer of each of the 2 · depth branches."""
        for name, weight in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif "norm" not in name and "before" not in name and "between" not in name:
                branch = name.endswith(("out.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * len(self.layers)) if branch else 0.02)

    @torch.no_grad()
    def fit(self, codes: Tensor, labels: Tensor | None = None) -> None:
        """Measure the frequencies of symbols N×grid (one more than counted of each) and the shares of labels [N]."""
        symbols = self.flat(codes)
        super().fit(codes, labels)
        counts = torch.bincount(symbols.flatten().cpu(), minlength=self.codes).double() + 1
        self.unigram.copy_((counts / counts.sum()).log())

    def flat(self, symbols: Tensor) -> Tensor:
        """Symbols N×grid -> N×tokens; raises BadInput for another grid, or symbols that do not exist."""
        if tuple(symbols.shape[1:]) != self.shape:
            raise BadInput(f"symbols of {times(symbols.shape[1:])}, but this prior takes {times(self.shape)}")
        rows = symbols.flatten(1).long()
        if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < self.codes:
            raise BadInput(
                f"symbols from {int(rows.min())} to {int(rows.max())}, but this prior takes 0 to {self.codes - 1}"
            )
        return rows

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        """−log p of symbols sample.x N×grid, [N] in nats."""
        symbols, labels = sample.x.reshape(-1, self.tokens).long(), self.trained_labels(sample, ctx)
        noise = ctx.noise if self.training else None
        return Losses({"reconstruction": self.negative_log(symbols, labels, noise)})

    def negative_log(self, symbols: Tensor, labels: Tensor, noise: Noise | None = None) -> Tensor:
        """−log p(symbols | label), [N] in nats, for symbols N×tokens and labels [N] that may be the null label.

        noise: of dropout; None for none.
        """
        drop = Dropout(self.dropout, noise)
        x = self._outputs(drop(self._inputs(symbols[:, :-1], labels)), drop)
        return F.cross_entropy(self._logits(x).transpose(1, 2), symbols, reduction="none").sum(1)

    def _inputs(self, symbols: Tensor, labels: Tensor) -> Tensor:
        """The tokens N×(T + 1)×width that predict the symbol after each of `symbols` N×T, and the first one."""
        tokens = torch.cat([self.label(labels)[:, None], self.symbol(symbols)], 1)
        return tokens + self.position[: tokens.shape[1]]

    def _outputs(
        self, tokens: Tensor, drop: Drop = Dropout(0, None), caches: list[Cache] | None = None, start: int = 0
    ) -> Tensor:
        for index, layer in enumerate(self.layers):
            tokens = layer(tokens, drop, caches[index] if caches else None, start)
        return tokens

    def _logits(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(tokens)).float() + self.unigram  # type: ignore[no-any-return]

    @torch.no_grad()
    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p of symbols N×grid, [N] in nats: of p(symbols | label), or of p(symbols) without labels."""
        if labels is not None:
            self.checked(labels)
        symbols = self.flat(codes)
        labels = self._null(len(symbols)) if labels is None else labels
        parts = zip(symbols.split(BLOCK), labels.to(symbols.device).split(BLOCK), strict=True)
        return -torch.cat([self.negative_log(*part) for part in parts])

    def bits(self, symbols: Tensor, labels: Tensor | None = None) -> tuple[float, float]:
        """Mean bits a symbol of symbols N×grid: by this prior, and by the frequencies of the symbols alone."""
        own = -float(self.log_prob(symbols, labels).mean()) / self.tokens
        return own / math.log(2), -float(self.unigram[self.flat(symbols)].mean()) / math.log(2)

    def _null(self, count: int) -> Tensor:
        return torch.full((count,), self.classes, device=self.unigram.device)

    @torch.no_grad()
    def sample(
        self,
        draws: Draws,
        labels: Tensor | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        known: tuple[Tensor, Tensor] | None = None,
        cached: bool = True,
    ) -> Tensor:
        """Symbols N×grid, one for each of the draws.

        With a width of 192, 7×7 symbols of 512 took 5 ms of one core each in blocks of 64 (6 in blocks of 32, 4.4 in
        blocks of 128), half of it in linear layers; without the cache about 13 times as long. A product of matrices
        was no faster than the fused attention.

        temperature: divides the logits; 0 takes the most probable symbol at each position. top_k, top_p: only the k
        most probable symbols, and the fewest that have a probability of p together (Holtzman et al. 2020). known:
        symbols N×grid and a mask N×grid of positions that keep them. cached: keep the keys and values of each token;
        otherwise all are computed again for each symbol, with the same result.
        """
        at_least("temperature", temperature, 0)
        at_least("top_k", 1 if top_k is None else top_k, 1)
        if top_p is not None and not 0 < top_p <= 1:
            raise BadInput(f"top_p is {top_p}: a number above 0 and up to 1 is accepted")
        given = self.drawn_labels(draws, labels)
        if given is None or (known is not None and labels is None):  # a drawn label may contradict the known symbols
            given = self._null(len(draws))
        symbols = torch.zeros(len(draws), self.tokens, dtype=torch.long, device=draws.device)
        mask = torch.zeros_like(symbols, dtype=torch.bool)
        if known is not None:
            mask = known[1].flatten(1).to(draws.device)
            symbols = self.flat((known[0] * known[1]).to(draws.device))
        uniform = draws.uniform(self.tokens)
        options = temperature, top_k, top_p, cached
        rows = torch.arange(len(draws), device=draws.device).split(BLOCK)
        filled = [torch.cat([part, part[:1].expand(BLOCK - len(part))]) for part in rows]
        blocks = [
            self._block(symbols[at], mask[at], given[at], uniform[at], *options)[: len(part)]
            for at, part in zip(filled, rows, strict=True)
        ]
        return torch.cat(blocks).view(-1, *self.shape)

    def vary(self, codes: Tensor, draws: Draws, labels: Tensor | None = None, temperature: float = 0.3) -> Tensor:
        """As in Prior: a share `temperature` of the symbols N×grid is sampled anew, the others are kept."""
        kept = draws.uniform(*self.shape) >= temperature
        return self.sample(draws, labels, known=(codes, kept))

    @torch.inference_mode()
    def _block(
        self,
        symbols: Tensor,
        mask: Tensor,
        labels: Tensor,
        uniform: Tensor,
        temperature: float,
        top_k: int | None,
        top_p: float | None,
        cached: bool,
    ) -> Tensor:
        """The symbols N×tokens, with those outside of the mask sampled."""
        known = int(mask.all(0).int().cumprod(0).sum())  # positions that all items know are passed at once
        caches = self._caches(len(symbols)) if cached else None
        for position in range(known, self.tokens):
            start = position if cached and position > known else 0
            tokens = self._inputs(symbols[:, :position], labels) if start == 0 else self._token(symbols, position)
            logits = self._logits(self._outputs(tokens, caches=caches, start=start)[:, -1])
            drawn = choose_symbol(logits, uniform[:, position], temperature, top_k, top_p)
            symbols[:, position] = torch.where(mask[:, position], symbols[:, position], drawn)
        return symbols

    def _token(self, symbols: Tensor, position: int) -> Tensor:
        """The token N×1×width of the symbol before `position`."""
        return self.symbol(symbols[:, position - 1 : position]) + self.position[position]  # type: ignore[no-any-return]

    def _caches(self, count: int) -> list[Cache]:
        shape = (count, self.heads, self.tokens, self.position.shape[1] // self.heads)
        return [(self.position.new_empty(shape), self.position.new_empty(shape)) for _ in self.layers]


def choose_symbol(
    logits: Tensor, uniform: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """A symbol [N] for each row of logits N×codes, by the inverse of the cumulative distribution at uniform [N]."""
    if temperature == 0 or top_k == 1:
        return logits.argmax(1)
    chances = (logits / temperature).softmax(1)
    if top_k is not None and top_k < chances.shape[1]:
        least = chances.topk(top_k).values[:, -1:]
        chances = torch.where(chances < least, 0, chances)
    if top_p is not None and top_p < 1:
        ordered = (chances / chances.sum(1, keepdim=True)).sort(1, descending=True)
        beyond = ordered.values.cumsum(1) - ordered.values >= top_p
        chances = chances.masked_fill(beyond.scatter(1, ordered.indices, beyond), 0)
    edges = chances.cumsum(1)
    # A number that rounds up to the last edge would choose a symbol of probability 0, or none.
    numbers = uniform.clamp_max(1 - 2**-23)[:, None] * edges[:, -1:]
    return torch.searchsorted(edges, numbers, right=True)[:, 0]

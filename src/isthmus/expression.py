"""The expression of all types: corrupt, encode, bottleneck, decode, compare; the losses of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isthmus import networks
from isthmus.bottlenecks.base import Bottleneck
from isthmus.corruptions import Corruption
from isthmus.errors import BadInput
from isthmus.features.grid import FeatureGrid
from isthmus.fields import NEAREST
from isthmus.initialization import MeanOf, first_of, start_at_mean, start_at_mean_item, start_at_pca
from isthmus.objectives import Objective
from isthmus.spec import Spec
from isthmus.types import Code, Context, Losses, Sample, Shape, no_penalty, times


class Expression(nn.Module):
    """x̃ = corrupt(x); h = encode(x̃); z, penalty = bottleneck(h); y = decode(z); loss = compare(y, target) + penalty.

    shape: of one item, (C, H, W) or (D,), values in [0, 1]. encoder, bottleneck and decoder may be any nn.Module: an
    encoder returns h or (h, skips), a bottleneck a code z or a Code, a decoder takes z (and skips, if there are any).

    features: a frozen network that images go through first (isthmus.features.FeatureGrid); the expression is over its
    output, which is also the target. A sample that holds them as the condition "features" is not computed again.

    about: the origin of the model in plain JSON: recipe, options, input (shape, range, gray), data, training. path: the
    run folder it was loaded from or trained into.
    """

    def __init__(
        self,
        shape: Shape,
        encoder: nn.Module,
        bottleneck: nn.Module,
        decoder: nn.Module,
        objective: Objective,
        corruption: Corruption | None = None,
        augment: nn.Module | None = None,
        features: FeatureGrid | None = None,
    ) -> None:
        super().__init__()
        self.shape: Shape = tuple(shape)
        self.features = features
        self.inner_shape: Shape = self.shape if features is None else features.out_shape  # what the encoder sees
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        self.objective, self.corruption, self.augment = objective, corruption, augment
        self.about: dict[str, Any] = {}
        self.path: Path | None = None
        self.parts: dict[str, Any] = {}  # fitted after training, by name (isthmus.jobs.base.Job.part)

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        """The losses of a batch, each [N] in nats. Without ctx.noise nothing is corrupted or sampled."""
        sample = sample if sample.corrupted else self.corrupted(sample, ctx)
        y, code = self.predict(sample, ctx)
        sample = sample.repeated(code.draws)
        # Losses are float32 at any precision; a context that is not needed takes time at every step.
        mixed = torch.is_autocast_enabled(y.device.type)
        with torch.autocast(y.device.type, enabled=False) if mixed else nullcontext():
            reconstruction = self.objective.loss(y, sample.target, sample.weight)
            extra = self.objective.extra(y, sample.target, ctx)
        extra = {name: term.unflatten(0, (-1, code.draws)).mean(1) for name, term in extra.items()}
        reconstruction, penalty = self._joined(reconstruction, code)
        losses = Losses({"reconstruction": reconstruction, "penalty": penalty, **extra}, code.stats, code.sums)
        # To print: a crop and a full image, as training and validation may have them, compare in this loss only.
        losses.stats["loss_per_value"] = losses.compared.detach() / sample.target[0].numel()
        if not self.training and self.spec.clean_target and sample.kind_of_target() not in NEAREST:
            # The error is printed for any loss; without a clean target there is none.
            own = self.inner_shape[0]
            error = self.objective.picture(y.detach())[:, :own] - sample.target[:, :own]
            losses.stats["mse_per_value"] = error.square().flatten(1).mean(1)
        return losses

    def _joined(self, reconstruction: Tensor, code: Code) -> tuple[Tensor, Tensor]:
        """The two terms of the loss of each item: those of its only code, or of several, joined by the bottleneck."""
        if code.draws == 1:
            return reconstruction, code.penalty
        losses = (reconstruction + code.penalty).unflatten(0, (-1, code.draws))
        mean = reconstruction.unflatten(0, (-1, code.draws)).mean(1)
        assert isinstance(self.bottleneck, Bottleneck)
        return mean, self.bottleneck.join(losses) - mean

    def corrupted(self, sample: Sample, ctx: Context) -> Sample:
        """The batch, augmented in training mode, and corrupted if ctx.noise is given.

        Binarization, which makes the data of the likelihood, is drawn in evaluation as well.
        """
        if self.augment is not None and (self.training or (self.spec.binarizes and ctx.noise is not None)):
            sample = self.augment(sample, ctx)
        sample = self.in_features(sample)
        if self.corruption is not None and ctx.noise is not None:
            sample = self.corruption(sample, ctx)
        return sample

    def in_features(self, sample: Sample) -> Sample:
        """The batch with the features of its images as x and target; unchanged for a model of the images themselves."""
        if self.features is None:
            return sample
        x = self.features.standardized(self._raw_features(sample))
        return sample.replace(x=x, target=x, condition={})

    def _raw_features(self, sample: Sample) -> Tensor:
        assert self.features is not None
        kept = sample.condition.get("features")
        return self.features.raw(sample.x) if kept is None else kept

    def predict(self, sample: Sample, ctx: Context) -> tuple[Tensor, Code]:
        """encode, bottleneck, decode: the parameters y of the likelihood and the code, for sample.x = x̃."""
        h, skips = self._features(sample.x)
        context = ctx.replace(x=sample.x, encode=lambda x: self._features(x)[0], condition=sample.condition)
        code = self._code(h, context)
        return self._decoded(code.z, skips, sample.x.shape[1:]), code

    def _features(self, x: Tensor) -> tuple[Tensor, list[Tensor] | None]:
        spec = self.spec
        shape = self.inner_shape
        channels = shape[0] + spec.mask_channels
        fits = x.dim() == len(shape) + 1 and x.shape[1] == channels
        if not fits or not (spec.any_size or x.shape[1:] == shape):
            raise BadInput(f"items of {times(x.shape[1:])}, but this model takes {times((channels, *shape[1:]))}")
        h = self.encoder(x)
        return h if isinstance(h, tuple) else (h, None)

    def _code(self, h: Tensor, ctx: Context) -> Code:
        code = self.bottleneck(h, ctx) if isinstance(self.bottleneck, Bottleneck) else self.bottleneck(h)
        return code if isinstance(code, Code) else Code(code, no_penalty(code))

    def _decoded(self, z: Tensor, skips: list[Tensor] | None, size: Shape | None = None) -> Tensor:
        # A code from a file may have other strides than one of the encoder, and a convolution then rounds differently.
        z = z.flatten(1).unflatten(1, z.shape[1:])
        if skips is not None:
            return self.decoder(z, skips)  # skips[0] is x̃, which has the size
        y = self.decoder(z)
        # The encoder padded the image to its stride; the padding is cut off. Only then: even an empty cut copies the
        # gradient.
        cut = size is not None and len(size) == 3 and (torch.compiler.is_exporting() or y.shape[-2:] != size[-2:])
        return y[..., : size[-2], : size[-1]] if size and cut else y

    def prepare_input(self, x: Tensor, **side: Tensor) -> Tensor:
        """Network input for a real image: its features, or itself; no synthetic corruption, but a mask that the network
        takes."""
        x = x if self.features is None else self.features(x)
        return self.corruption.prepare_input(x, **side) if self.corruption is not None else x

    @property
    def spec(self) -> Spec:
        """The capabilities of the model, as its present parts declare them."""
        return Spec.of(
            self.encoder, self.bottleneck, self.decoder, self.objective, self.corruption, self.features, self.augment
        )

    @property
    def scale(self) -> int:
        """Output size / input size, in each direction."""
        return self.spec.scale

    @property
    def predicts_mask(self) -> bool:
        """Whether the last channel of the output is the predicted mask of the damage."""
        return self.spec.predicts_mask

    @property
    def stride(self) -> int:
        """Tiles of an image must begin at multiples of this, or their output differs from that of the image."""
        return self.spec.stride

    @property
    def reach(self) -> int | None:
        """Pixels of the input to each side on which one pixel of the output depends; None for all."""
        return self.spec.reach

    @cached_property
    def has_skips(self) -> bool:
        """Whether the decoder also takes skips from the encoder; determined with an item of zeros."""
        with torch.no_grad():
            return self._features(self.prepare_input(torch.zeros(1, *self.shape, device=self.device)))[1] is not None

    @property
    def learns(self) -> bool:
        """Whether it has weights to train."""
        return any(weight.requires_grad for weight in self.parameters())

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def start(self, samples: Iterable[Sample]) -> None:
        """Initialize from samples before the first step: linear path by PCA, codebook by k-means, mean color."""
        with torch.no_grad():
            if self.features is not None:  # networks of features start at random
                self.features.fit(map(self._raw_features, first_of(samples)))
                return
            if isinstance(self.encoder, networks.LinearPathEncoder):
                start_at_pca(self.encoder, self.bottleneck, self.decoder, self.objective, self.augment, samples)
                return
            if isinstance(self.encoder, networks.DenseEncoder) and self.encoder.center:
                samples = list(samples)
                start_at_mean_item(self.encoder, self.decoder, self.objective, samples)
            mean = MeanOf(samples)
            if isinstance(self.bottleneck, Bottleneck) and type(self.bottleneck).start is not Bottleneck.start:
                self.bottleneck.start([self._features(sample.x)[0] for sample in mean])
            if len(self.shape) == 3 and not self.has_skips:
                start_at_mean(self.decoder, self.objective, mean)

    def trouble(self, row: Mapping[str, Any], progress: float) -> str:
        """A sentence if the code is of little use after an epoch, with advice; see Bottleneck.trouble."""
        return self.bottleneck.trouble(row, progress) if isinstance(self.bottleneck, Bottleneck) else ""

    def after_step(self, sums: dict[str, Tensor]) -> None:
        """Pass the sums over the global batch to the bottleneck."""
        if isinstance(self.bottleneck, Bottleneck):
            self.bottleneck.after_step(sums)

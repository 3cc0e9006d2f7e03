"""The model of all types: corrupt, encode, bottleneck, decode, compare."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus import bottlenecks, corruptions, models, networks, objectives, store  # noqa: F401 -- importing registers the classes
from isthmus.bottlenecks.base import Bottleneck, no_penalty
from isthmus.corruptions import Corruption
from isthmus.data import prepared
from isthmus.errors import BadInput
from isthmus.fields import NEAREST
from isthmus.files import check_output
from isthmus.initialization import MeanOf, start_at_mean, start_at_pca
from isthmus.objectives import Objective
from isthmus.registry import build, register
from isthmus.spec import Spec
from isthmus.store import load_weights, write_config
from isthmus.types import Code, Context, Losses, Noise, Sample, Shape

CHUNK = 256  # items in one pass at inference: memory is bounded, and all verbs use the same batches


@register
class Autoencoder(nn.Module):
    """An autoencoder of any type.

    shape: of one item, (C, H, W) or (D,), values in [0, 1]. encoder, bottleneck and decoder may be any nn.Module: an
    encoder returns h or (h, skips), a bottleneck a code z or a Code, a decoder takes z (and skips, if there are any).

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
    ) -> None:
        super().__init__()
        self.shape: Shape = tuple(shape)
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        self.objective, self.corruption, self.augment = objective, corruption, augment
        self.about: dict[str, Any] = {}
        self.path: Path | None = None
        self.parts: dict[str, Any] = {}  # fitted after training, by name (isthmus.jobs.base.Job.part)

    def __repr__(self) -> str:
        """One line; print(model.encoder) shows the layers."""
        code, weights = self.spec.code_shape, sum(p.numel() for p in self.parameters())
        sizes = _size(self.shape) + (f" → {_size(code)}" if code else "")
        return f"Autoencoder({self.about.get('recipe', 'own')}, {sizes}, {weights:,} weights)"

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        """The losses of a batch, each [N] in nats. Without ctx.noise nothing is corrupted or sampled."""
        sample = sample if sample.corrupted else self.corrupted(sample, ctx)
        y, code = self.predict(sample, ctx)
        # Losses are float32 at any precision; a context that is not needed takes time at every step.
        mixed = torch.is_autocast_enabled(y.device.type)
        with torch.autocast(y.device.type, enabled=False) if mixed else nullcontext():
            reconstruction = self.objective.loss(y, sample.target, sample.weight)
        losses = Losses({"reconstruction": reconstruction, "penalty": code.penalty}, code.stats, code.sums)
        # To print: a crop and a full image, as training and validation may have them, compare in this loss only.
        losses.stats["loss_per_value"] = losses.total.detach() / sample.target[0].numel()
        if not self.training and self.spec.clean_target and sample.kind_of_target() not in NEAREST:
            # The error is printed for any loss; without a clean target there is none.
            wanted = sample.target[:, : self.shape[0]]
            error = self.objective.picture(y.detach())[:, : self.shape[0]] - wanted
            losses.stats["mse_per_value"] = error.square().flatten(1).mean(1)
        return losses

    def corrupted(self, sample: Sample, ctx: Context) -> Sample:
        """The batch, augmented in training mode, and corrupted if ctx.noise is given."""
        if self.augment is not None and self.training:
            sample = self.augment(sample, ctx)
        if self.corruption is not None and ctx.noise is not None:
            sample = self.corruption(sample, ctx)
        return sample

    def predict(self, sample: Sample, ctx: Context) -> tuple[Tensor, Code]:
        """encode, bottleneck, decode: the parameters y of the likelihood and the code, for sample.x = x̃."""
        h, skips = self._features(sample.x)
        context = ctx.replace(x=sample.x, encode=lambda x: self._features(x)[0], condition=sample.condition)
        code = self._code(h, context)
        return self._decoded(code.z, skips, sample.x.shape[1:]), code

    def _features(self, x: Tensor) -> tuple[Tensor, list[Tensor] | None]:
        spec = self.spec
        channels = self.shape[0] + spec.mask_channels
        fits = x.dim() == len(self.shape) + 1 and x.shape[1] == channels
        if not fits or not (spec.any_size or x.shape[1:] == self.shape):
            raise BadInput(f"items of {_size(x.shape[1:])}, but this model takes {_size((channels, *self.shape[1:]))}")
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

    # -- inference: arrays or tensors in, tensors on the CPU out; nothing is corrupted or drawn --

    @torch.no_grad()
    def encode(self, x: Any, unit: bool = False) -> Tensor:
        """The codes (of a VAE: the means) of N×shape, as N×code_shape. Raises BadInput for another shape.

        x: values of the training data (see `tensor`), or, with `unit`, in [0, 1].
        """

        def once(part: Tensor) -> Tensor:
            part = self.prepare_input(part)
            return self._code(self._features(part)[0], Context(x=part)).z

        return self._chunks(once, self.tensor(x, unit))

    @torch.no_grad()
    def decode(self, z: Any, size: Shape | None = None) -> Tensor:
        """Codes N×code_shape (or flat, N×K) -> items N×shape in [0, 1]. size: (C, H, W), for a grid of another size.

        Raises BadInput for a model with skips, and for another shape.
        """
        if self.has_skips:
            raise BadInput("this model cannot decode a code alone: its decoder also takes skips from the encoder")
        z = torch.as_tensor(np.asarray(z) if not isinstance(z, Tensor) else z).float()
        expected = self.spec.code_shape or tuple(z.shape[1:])
        if z.dim() == 2 and z.shape[1] == math.prod(expected):
            z = z.unflatten(1, expected)
        if z.dim() != len(expected) + 1 or z.shape[1] != expected[0] or (z.shape[1:] != expected and size is None):
            raise BadInput(f"codes of shape {_size(z.shape) or '()'}; N×{_size(expected)} is accepted")
        return self._chunks(lambda part: self.objective.picture(self._decoded(part, None, size or self.shape)), z)

    @torch.no_grad()
    def reconstruct(self, x: Any, unit: bool = False) -> Tensor:
        """The reconstruction N×shape of x in [0, 1], equal to decode(encode(x)) to the bit.

        `scale` times as large, if the model enlarges. Raises BadInput for another shape.
        """

        def once(part: Tensor) -> Tensor:
            part = self.prepare_input(part)
            h, skips = self._features(part)
            z = self._code(h, Context(x=part)).z
            y = self._decoded(z, skips, tuple(part.shape[1:]))
            picture = self.objective.picture(y)
            return picture[:, : self.shape[0]] if self.predicts_mask else picture

        return self._chunks(once, self.tensor(x, unit))

    def prepare_input(self, x: Tensor, **side: Tensor) -> Tensor:
        """Network input for a real degraded image: no synthetic corruption, but a mask that the network takes."""
        return self.corruption.prepare_input(x, **side) if self.corruption is not None else x

    @torch.no_grad()
    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        """N×C×H×W in [0, 1], of any size -> the restored images, `scale` times as large, on the device of x.

        side: further inputs of the corruption's `prepare_input` (mask=N×1×H×W, 1 in the hole).
        """
        seen = self.prepare_input(x, **side)
        y, _ = self.predict(Sample(seen, seen, condition=side), Context())
        return self.objective.picture(y)

    @property
    def spec(self) -> Spec:
        """The capabilities of the model, as its present parts declare them."""
        return Spec.of(self.encoder, self.bottleneck, self.decoder, self.objective, self.corruption)

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

    def symbols(self, x: Any, unit: bool = False) -> Tensor | None:
        """The indices N×grid of a discrete code, or None if the code is not discrete."""
        if not self.spec.discrete:
            return None

        def once(part: Tensor) -> Tensor:
            symbols = self._code(self._features(part)[0], Context(x=part)).symbols
            assert symbols is not None
            return symbols

        with torch.no_grad():
            return self._chunks(once, self.tensor(x, unit))

    def sample(self, n: int = 64, seed: int = 0) -> Tensor:
        """n new items decoded from N(0, I); they resemble the data only if spec.prior is "normal".

        Raises BadInput for an n that is no integer from 1 on.
        """
        if not isinstance(n, (int, np.integer)) or n < 1:
            raise BadInput(f"n is {n!r}: the number of items, an integer from 1 on, is accepted")
        return self.decode(Noise(seed, 0, n).normal(*self.code_shape))

    @property
    def code_shape(self) -> Shape:
        """The shape of one code; if the bottleneck does not declare it, that of an encoded item of zeros."""
        return self.spec.code_shape or tuple(self.encode(torch.zeros(1, *self.shape)).shape[1:])

    @cached_property
    def has_skips(self) -> bool:
        """Whether the decoder also takes skips from the encoder; determined with an item of zeros."""
        with torch.no_grad():
            return self._features(self.prepare_input(torch.zeros(1, *self.shape, device=self.device)))[1] is not None

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def tensor(self, x: Any, unit: bool = False) -> Tensor:
        """An array, or the path of an image -> float32 N×shape in [0, 1], by isthmus.data.prepared.

        Values are scaled like the training data; an untrained model takes uint8, uint16, bool and floats in [0, 1].
        unit: x is floats in [0, 1], whatever the training data were.
        """
        if unit and isinstance(x, Tensor) and x.shape[1:] == self.shape:  # stays on its device
            return x.float()
        return prepared(x, {"shape": self.shape} if unit else self.read_as())

    def read_as(self) -> dict[str, Any]:
        """The preprocessing of the run, for `prepared` and for `open_data` (as `like`)."""
        return {**self.about.get("input", {}), "shape": list(self.shape)}

    def _chunks(self, function: Any, items: Tensor) -> Tensor:
        parts = [function(part.to(self.device)).cpu() for part in items.split(CHUNK)]
        return torch.cat(parts) if parts else items.new_zeros(0)

    # -- training --

    def start(self, samples: Iterable[Sample]) -> None:
        """Initialize from samples before the first step: linear path by PCA, codebook by k-means, mean color."""
        with torch.no_grad():
            if isinstance(self.encoder, networks.LinearPathEncoder):
                start_at_pca(self.encoder, self.bottleneck, self.decoder, self.objective, self.augment, samples)
                return
            mean = MeanOf(samples)
            if isinstance(self.bottleneck, Bottleneck) and type(self.bottleneck).start is not Bottleneck.start:
                self.bottleneck.start([self._features(sample.x)[0] for sample in mean])
            if len(self.shape) == 3 and not self.has_skips:
                start_at_mean(self.decoder, self.objective, mean)

    def after_step(self, sums: dict[str, Tensor]) -> None:
        """Pass the sums over the global batch to the bottleneck."""
        if isinstance(self.bottleneck, Bottleneck):
            self.bottleneck.after_step(sums)

    def save(self, path: Path | str, force: bool = False) -> Path:
        """Write a run folder with config.json and model.safetensors.

        Raises BadInput if it cannot be written or exists (`force` overwrites it).
        """
        path = check_output(path, force=force, hint="force=True overwrites it")
        write_config(path, self)
        store.write_tensors(path / store.WEIGHTS, self.state_dict())
        return path


def _size(shape: Any) -> str:
    return "×".join(str(side) for side in shape)


def load_model(run: Path | str, **own: nn.Module) -> Autoencoder:
    """The trained model of a run folder, equal to the bit, or the shipped model of that name.

    own: unregistered modules of the run by their argument (encoder=..., bottleneck=..., decoder=...).
    Raises BadInput if a file of the run is missing or does not fit.
    """
    run = models.folder_for(run)
    config = store.read_config(run)
    try:
        model = build(config["model"], own)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{run}: config.json describes a model that cannot be built ({error})") from error
    about = config.get("about", {})
    parts = (
        [about, *(about.get(key, {}) for key in ("input", "data", "training"))] if isinstance(about, dict) else [None]
    )
    if not all(isinstance(part, dict) for part in parts):
        raise BadInput(f"{run}: config.json holds no valid description of the training (about)")
    if not isinstance(model, nn.Module):
        raise BadInput(f"{run}: config.json describes no model")
    load_weights(model, store.read_weights(run), run)
    model.about, model.path = config.get("about", {}), Path(run)  # type: ignore[assignment]
    return model.eval()  # type: ignore[return-value]

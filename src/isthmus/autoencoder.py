"""The sentence itself: corrupt, encode, bottleneck, decode, compare."""

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

from isthmus import bottlenecks, corruptions, models, networks, objectives, store  # noqa: F401 -- importing registers the words
from isthmus.bottlenecks.base import Bottleneck, no_penalty
from isthmus.corruptions import Corruption
from isthmus.data import prepared
from isthmus.errors import BadInput
from isthmus.files import check_output
from isthmus.initialization import MeanOf, start_at_mean, start_at_pca
from isthmus.model_files import load_weights, write_config
from isthmus.objectives import Objective
from isthmus.registry import build, register
from isthmus.spec import Spec
from isthmus.types import Code, Context, Losses, Noise, Sample, Shape

CHUNK = 256  # items a pass when a model is used: memory stays bounded, and every verb meets the same batches


@register
class Autoencoder(nn.Module):
    """Any autoencoder of any type, said as one sentence.

    shape: of one item, (C, H, W) or (D,), values in [0, 1]. encoder, bottleneck and decoder may be anyone's own
    nn.Module: an encoder returns h or (h, skips), a bottleneck a code z or a Code, a decoder takes z (and skips,
    where there are some).

    `about` says in plain JSON how it came to be: recipe, options, input (shape, range, gray), data, training; `path`
    is the run folder it was loaded from or trained into.
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
        self.parts: dict[str, Any] = {}  # fitted after the training, by name (isthmus.jobs.base.Job.part)

    def __repr__(self) -> str:
        """One line; print(model.encoder) shows the layers."""
        code, weights = self.spec.code_shape, sum(p.numel() for p in self.parameters())
        sizes = _size(self.shape) + (f" → {_size(code)}" if code else "")
        return f"Autoencoder({self.about.get('recipe', 'own')}, {sizes}, {weights:,} weights)"

    def forward(self, sample: Sample, ctx: Context) -> Losses:
        """The losses of a batch, each [N] in nats. Corruption and sampling happen where ctx.noise is given."""
        sample = sample if sample.corrupted else self.corrupted(sample, ctx)
        y, code = self.predict(sample, ctx)
        # Losses are float32 whatever the net is; to switch off what is off takes time at every step.
        mixed = torch.is_autocast_enabled(y.device.type)
        with torch.autocast(y.device.type, enabled=False) if mixed else nullcontext():
            reconstruction = self.objective.loss(y, sample.target, sample.weight)
        losses = Losses({"reconstruction": reconstruction, "penalty": code.penalty}, code.stats, code.sums)
        # For people: a crop and a whole picture, which training and validation may see, are alike in this alone.
        losses.stats["loss_per_value"] = losses.total.detach() / sample.target[0].numel()
        if not self.training and self.spec.clean_target:
            # Of a validation people read the error, whatever the loss is; where no target is clean there is none.
            wanted = sample.target[:, : self.shape[0]]
            error = self.objective.picture(y.detach())[:, : self.shape[0]] - wanted
            losses.stats["mse_per_value"] = error.square().flatten(1).mean(1)
        return losses

    def corrupted(self, sample: Sample, ctx: Context) -> Sample:
        """The batch as the encoder meets it: augmented in a training, corrupted where ctx.noise is given."""
        if self.augment is not None and self.training:
            sample = self.augment(sample, ctx)
        if self.corruption is not None and ctx.noise is not None:
            sample = self.corruption(sample, ctx)
        return sample

    def predict(self, sample: Sample, ctx: Context) -> tuple[Tensor, Code]:
        """encode, bottleneck, decode: the likelihood's parameters y and the code, for an x̃ that is ready."""
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
        # A code from a file lies otherwise in memory than one from the encoder; a convolution would round otherwise.
        z = z.flatten(1).unflatten(1, z.shape[1:])
        if skips is not None:
            return self.decoder(z, skips)  # skips[0] is x̃, so it knows the size
        y = self.decoder(z)
        # The encoder padded the picture to its stride; what it added is cut off again. Only then: even a cut of
        # nothing copies the gradient on its way back.
        cut = size is not None and len(size) == 3 and (torch.compiler.is_exporting() or y.shape[-2:] != size[-2:])
        return y[..., : size[-2], : size[-1]] if size and cut else y

    # -- using it: arrays or tensors in, tensors on the CPU out; nothing is corrupted, nothing is drawn --

    @torch.no_grad()
    def encode(self, x: Any, unit: bool = False) -> Tensor:
        """The code people embed with (a VAE's mean): N×shape -> N×code_shape. Raises BadInput for another shape.

        x: in the numbers of the training data (see `tensor`), or in [0, 1] where `unit` says so.
        """

        def once(part: Tensor) -> Tensor:
            part = self.prepare_input(part)
            return self._code(self._features(part)[0], Context(x=part)).z

        return self._chunks(once, self.tensor(x, unit))

    @torch.no_grad()
    def decode(self, z: Any, size: Shape | None = None) -> Tensor:
        """Codes N×code_shape (or flat, N×K) -> pictures N×shape in [0, 1]; `size` for a code grid of another size."""
        if self.has_skips:
            raise BadInput("a code alone does not decode here: this net hands the decoder skips from the encoder too")
        z = torch.as_tensor(np.asarray(z) if not isinstance(z, Tensor) else z).float()
        expected = self.spec.code_shape or tuple(z.shape[1:])
        if z.dim() == 2 and z.shape[1] == math.prod(expected):
            z = z.unflatten(1, expected)
        if z.dim() != len(expected) + 1 or z.shape[1] != expected[0] or (z.shape[1:] != expected and size is None):
            raise BadInput(f"codes of {_size(z.shape[1:])}, but this model's are {_size(expected)}")
        return self._chunks(lambda part: self.objective.picture(self._decoded(part, None, size or self.shape)), z)

    @torch.no_grad()
    def reconstruct(self, x: Any, unit: bool = False) -> Tensor:
        """What the model makes of x: N×shape -> N×shape in [0, 1], the same bits as decode(encode(x)).

        `scale` times as large, where the model enlarges.
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
        """x̃ for a picture that life has damaged: nothing is added to the damage, only what is known of it (a mask)."""
        return self.corruption.prepare_input(x, **side) if self.corruption is not None else x

    @torch.no_grad()
    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        """N×C×H×W in [0, 1], of any size -> what the model makes of it, `scale` times as large, where x lies.

        side: what is known of the damage, as the corruption's `given` takes it (mask=N×1×H×W, 1 in the hole).
        """
        seen = self.prepare_input(x, **side)
        y, _ = self.predict(Sample(seen, seen, condition=side), Context())
        return self.objective.picture(y)

    @property
    def spec(self) -> Spec:
        """The capabilities of the model, as its parts declare them now: parts may be exchanged."""
        return Spec.of(self.encoder, self.bottleneck, self.decoder, self.objective, self.corruption)

    @property
    def scale(self) -> int:
        """How many times as large the output is as the input, in each direction."""
        return self.spec.scale

    @property
    def predicts_mask(self) -> bool:
        """Whether the last channel of the output is a mask, that of the damage which the model found."""
        return self.spec.predicts_mask

    @property
    def stride(self) -> int:
        """Where a tile of a picture must begin to be seen as the whole picture is: at a multiple of this."""
        return self.spec.stride

    @property
    def reach(self) -> int | None:
        """Pixels of the input to each side on which one pixel of the output depends; None where it is all of them."""
        return self.spec.reach

    def symbols(self, x: Any, unit: bool = False) -> Tensor | None:
        """The indices N×grid of a discrete code, or None where the code is not discrete."""
        if not self.spec.discrete:
            return None

        def once(part: Tensor) -> Tensor:
            symbols = self._code(self._features(part)[0], Context(x=part)).symbols
            assert symbols is not None
            return symbols

        with torch.no_grad():
            return self._chunks(once, self.tensor(x, unit))

    def sample(self, n: int = 64, seed: int = 0) -> Tensor:
        """n new pictures decoded from N(0, I); they look like something only where `prior` is "normal"."""
        return self.decode(Noise(seed, 0, n).normal(*self.code_shape))

    @property
    def code_shape(self) -> Shape:
        """The shape of one code; for someone's own bottleneck, found by encoding one black item."""
        return self.spec.code_shape or tuple(self.encode(torch.zeros(1, *self.shape)).shape[1:])

    @cached_property
    def has_skips(self) -> bool:
        """Whether the encoder hands the decoder more than the code; found by a look at one black item."""
        with torch.no_grad():
            return self._features(self.prepare_input(torch.zeros(1, *self.shape, device=self.device)))[1] is not None

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def tensor(self, x: Any, unit: bool = False) -> Tensor:
        """Anything array-like, or one picture's path -> float32 N×shape in [0, 1], as isthmus.data.prepared reads it.

        That is by what the model was trained on; an untrained one takes uint8, uint16, bool and floats in [0, 1].
        unit: x is floats in [0, 1] already, whatever the training data were.
        """
        if unit and isinstance(x, Tensor) and x.shape[1:] == self.shape:  # stays where it lies
            return x.float()
        return prepared(x, {"shape": self.shape} if unit else self.read_as())

    def read_as(self) -> dict[str, Any]:
        """What the model was trained on, by which `prepared` and `open_data` (as `like`) read numbers for it."""
        return {**self.about.get("input", {}), "shape": list(self.shape)}

    def _chunks(self, function: Any, items: Tensor) -> Tensor:
        parts = [function(part.to(self.device)).cpu() for part in items.split(CHUNK)]
        return torch.cat(parts) if parts else items.new_zeros(0)

    # -- before, between and after training --

    def start(self, samples: Iterable[Sample]) -> None:
        """Look at samples before the first step, once: PCA for a linear path, k-means for a codebook, the mean."""
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
        """Hand the bottleneck what it asked to have added up over the whole batch."""
        if isinstance(self.bottleneck, Bottleneck):
            self.bottleneck.after_step(sums)

    def save(self, path: Path | str, force: bool = False) -> Path:
        """Write a run folder of config.json and model.safetensors.

        Raises BadInput where it cannot be written, or is there already (`force` writes over it).
        """
        path = check_output(path, force=force, hint="force=True writes over it")
        write_config(path, self)
        store.write_tensors(path / store.WEIGHTS, self.state_dict())
        return path


def _size(shape: Any) -> str:
    return "×".join(str(side) for side in shape)


def load_model(run: Path | str, **own: nn.Module) -> Autoencoder:
    """The trained model of a run folder, the same numbers bit for bit, or the shipped model of that name.

    own: someone's own modules by their place (encoder=..., bottleneck=..., decoder=...), of the shape they had.
    Raises BadInput where a part of the run is missing or does not fit.
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
        raise BadInput(f"{run}: config.json does not say how the model came to be")
    if not isinstance(model, nn.Module):
        raise BadInput(f"{run}: config.json describes no model")
    load_weights(model, store.read_weights(run), run)
    model.about, model.path = config.get("about", {}), Path(run)  # type: ignore[assignment]
    return model.eval()  # type: ignore[return-value]

"""The model as its users call it: arrays in and out, saved in a run folder and loaded from it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus import bottlenecks, corruptions, features, models, networks, objectives, store  # noqa: F401 -- importing registers the classes
from isthmus.data import prepared
from isthmus.errors import BadInput
from isthmus.expression import Expression
from isthmus.files import check_output
from isthmus.registry import build, register
from isthmus.store import load_weights, write_config
from isthmus.types import Code, Context, Noise, Sample, Shape, times

CHUNK = 256  # items in one pass at inference: memory is bounded, and all verbs use the same batches


@register
class Autoencoder(Expression):
    """An autoencoder of any type: arrays or tensors in, tensors on the CPU out; nothing is corrupted or drawn."""

    def __repr__(self) -> str:
        """One line; print(model.encoder) shows the layers."""
        code, weights = self.spec.code_shape, sum(p.numel() for p in self.parameters())
        sizes = times(self.shape) + (f" → {times(code)}" if code else "")
        return f"Autoencoder({self.about.get('recipe', 'own')}, {sizes}, {weights:,} weights)"

    @torch.no_grad()
    def encode(self, x: Any, unit: bool = False) -> Tensor:
        """The codes (of a VAE: the means) of N×shape, as N×code_shape. Raises BadInput for another shape.

        x: values of the training data (see `tensor`), or, with `unit`, in [0, 1].
        """

        return self._chunks(lambda part: self.encoded(part, Context()).z, self.tensor(x, unit))

    def encoded(self, x: Tensor, ctx: Context) -> Code:
        """The Code of x, N×shape in [0, 1] on the device of the model; a variational code is drawn by ctx.noise."""
        x = self.prepare_input(x)
        return self._code(self._features(x)[0], ctx.replace(x=x))

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
            raise BadInput(f"codes of shape {times(z.shape) or '()'}; N×{times(expected)} is accepted")
        return self._chunks(lambda part: self.objective.picture(self._decoded(part, None, size or self.inner_shape)), z)

    @torch.no_grad()
    def reconstruct(self, x: Any, unit: bool = False) -> Tensor:
        """The reconstruction N×shape of x in [0, 1], equal to decode(encode(x)) to the bit; a model of features
        gives these, standardized.

        `scale` times as large, if the model enlarges. Raises BadInput for another shape.
        """

        def once(part: Tensor) -> Tensor:
            part = self.prepare_input(part)
            h, skips = self._features(part)
            z = self._code(h, Context(x=part)).z
            y = self._decoded(z, skips, tuple(part.shape[1:]))
            picture = self.objective.picture(y)
            return picture[:, : self.inner_shape[0]] if self.predicts_mask else picture

        return self._chunks(once, self.tensor(x, unit))

    @torch.no_grad()
    def restore(self, x: Tensor, **side: Tensor) -> Tensor:
        """N×C×H×W in [0, 1], of any size -> the restored images, `scale` times as large, on the device of x.

        side: further inputs of the corruption's `prepare_input` (mask=N×1×H×W, 1 in the hole).
        """
        seen = self.prepare_input(x, **side)
        y, _ = self.predict(Sample(seen, seen, condition=side), Context())
        return self.objective.picture(y)

    def symbols(self, x: Any, unit: bool = False) -> Tensor | None:
        """The indices N×grid of a discrete code, or None if the code is not discrete."""
        if not self.spec.discrete:
            return None

        def once(part: Tensor) -> Tensor:
            symbols = self.encoded(part, Context()).symbols
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

    def save(self, path: Path | str, force: bool = False) -> Path:
        """Write a run folder with config.json and model.safetensors.

        Raises BadInput if it cannot be written or exists (`force` overwrites it).
        """
        path = check_output(path, force=force, hint="force=True overwrites it")
        write_config(path, self)
        store.write_tensors(path / store.WEIGHTS, self.state_dict())
        return path


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
    if not isinstance(model, Autoencoder):
        raise BadInput(
            f"{run}: holds a {type(model).__name__}, which is no autoencoder; isthmus.features loads features"
        )
    load_weights(model, store.read_weights(run), run)
    model.about, model.path = config.get("about", {}), Path(run)  # type: ignore[assignment]
    return model.eval()

"""Losses of label maps: cross-entropy, Dice, their sum, and focal loss; for instances also borders and distances."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.errors import BadInput, unknown
from isthmus.metrics.segmentation import IGNORE
from isthmus.objectives import Objective
from isthmus.registry import register

LOSSES = ("ce+dice", "ce", "dice", "focal", "focal+dice")
EXTRA = 2  # channels of instances beside the classes: border and distance
BORDER, DISTANCE = 20.0, 3.0  # factors of a border pixel, of which there are few in a thousand, and of the distance
FULL = 255  # the stored distance of the center of an object


@register
class LabelLoss(Objective):
    """y: N×K×H×W, a logit for each class; target: N×1×H×W of class numbers, 255 where a pixel has no class.

    loss: ce (−log p of the class), dice (1 − Dice of each class that the item contains, without the background, times
    its labeled pixels: Milletari et al. 2016), focal (−(1 − p)^gamma log p: Lin et al. 2017), or a sum. class_weights:
    K factors of the cross-entropy. background: its class; None without one. instances: y and target have two channels
    more, the border between objects (0 or 1) and the distance to the edge of the object (0..255), learned by
    cross-entropy, border pixels counting BORDER times, and by DISTANCE times the absolute error.

    `mean` and `picture` are probabilities of the classes, and of border and distance as shares. Raises BadInput for an
    unknown loss, fewer than two classes, and another number of weights.
    """

    def __init__(
        self,
        classes: int = 2,
        loss: str = "ce+dice",
        class_weights: Sequence[float] = (),
        gamma: float = 2.0,
        instances: bool = False,
        background: int | None = 0,
    ) -> None:
        super().__init__("identity")
        if loss not in LOSSES:
            raise unknown("loss", loss, LOSSES)
        if not 2 <= classes < IGNORE:
            raise BadInput(f"{classes} classes: 2 to {IGNORE - 1} are accepted, the background being one of them")
        if class_weights and len(class_weights) != classes:
            raise BadInput(f"{len(class_weights)} class weights for {classes} classes: one for each is accepted")
        self.classes, self.terms, self.gamma, self.instances = classes, loss.split("+"), gamma, instances
        self.background = background
        self.channels = self.outputs = classes + EXTRA * instances
        self.likelihood = loss == "ce" and not class_weights and not instances
        weights = torch.tensor(list(class_weights) or [1.0] * classes)
        self.class_weights: Tensor
        self.register_buffer("class_weights", weights, persistent=False)

    def loss(self, y: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        y, labels = y.float(), target[:, 0].long()
        logits, known = y[:, : self.classes], labels != IGNORE
        labels = labels.where(known, 0)
        logs = F.log_softmax(logits, 1)
        total = logs.new_zeros(len(y))
        if "ce" in self.terms or "focal" in self.terms:
            nats = -logs.gather(1, labels[:, None])[:, 0]
            if "focal" in self.terms:
                nats = (1 - torch.exp(-nats)) ** self.gamma * nats
            nats = nats * known * self.class_weights[labels]
            total = total + (nats * (weight[:, 0] if isinstance(weight, Tensor) else weight)).flatten(1).sum(1)
        if "dice" in self.terms:
            total = total + dice_loss(logs.exp(), labels, known, self.background)
        if self.instances:
            border, distance = y[:, self.classes], y[:, self.classes + 1]
            edge, far = target[:, 1].float().clamp(0, 1), target[:, 2].float() / FULL
            nats = F.binary_cross_entropy_with_logits(border, edge, 1 + (BORDER - 1) * edge, reduction="none")
            away = (torch.sigmoid(distance) - far).abs()
            total = total + ((nats + DISTANCE * away) * known).flatten(1).sum(1)
        return total

    def mean(self, y: Tensor) -> Tensor:
        classes, others = y.float().split([self.classes, y.shape[1] - self.classes], 1)
        return torch.cat([classes.softmax(1), others.sigmoid()], 1)


def dice_loss(probability: Tensor, labels: Tensor, known: Tensor, background: int | None = 0) -> Tensor:
    """N: 1 − Dice, the mean over the classes that an item contains but the background, times its labeled pixels.

    probability: N×K×H×W. labels: N×H×W. known: N×H×W, the labeled pixels. An item of background alone has no such loss.
    """
    kept = [number for number in range(probability.shape[1]) if number != background]
    truth = F.one_hot(labels, probability.shape[1]).movedim(-1, 1)[:, kept] * known[:, None]
    guess = probability[:, kept] * known[:, None]
    both, sums = (guess * truth).flatten(2).sum(2), (guess.flatten(2).sum(2) + truth.flatten(2).sum(2))
    present = truth.flatten(2).any(2)
    lost = (1 - (2 * both + 1) / (sums + 1)) * present
    return lost.sum(1) / present.sum(1).clamp_min(1) * known.flatten(1).sum(1)

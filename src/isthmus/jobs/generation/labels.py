"""The labels that a prior has learned."""

from __future__ import annotations

from isthmus.errors import BadInput, unknown
from isthmus.priors import Prior


def label_number(prior: Prior, label: str) -> int:
    """The number of a label in the prior. Raises BadInput for an unknown one, and for a prior without labels."""
    names = prior.about.get("labels", [])
    if not names:
        raise BadInput(
            f"label {label}: this prior knows no labels; it learns those of the training data, or its class folders"
        )
    if str(label) not in names:
        raise unknown("label", str(label), names)
    return int(names.index(str(label)))

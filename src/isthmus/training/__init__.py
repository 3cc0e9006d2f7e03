"""fit(): the training loop of every model of every type and job."""

from isthmus.training.fit import fit
from isthmus.training.loop import Training
from isthmus.training.options import TRAINING, settle
from isthmus.training.run import Run

__all__ = ["TRAINING", "Run", "Training", "fit", "settle"]

"""pythae's own trainer over our nets: its AE around 784-24-784, its VAE around convnet.py. Prints one JSON line.

    python pythae_training.py dense | conv  FILE.npz  BATCH  EPOCHS

Its defaults but for Adam's rate: no workers, no evaluation set, no mixed precision. Its AE knows the squared error
alone, so that is what it minimises; its VAE takes the cross-entropy and is the same sum as ours.
"""

import json
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np
import torch
from convnet import WIDTHS, ConvVAE
from pythae.data.datasets import BaseDataset
from pythae.models import AE, VAE, AEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

kind, file, batch, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


class DenseEncoder(BaseEncoder):
    def __init__(self):
        BaseEncoder.__init__(self)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 24), nn.ReLU())

    def forward(self, x):
        return ModelOutput(embedding=self.layers(x))


class DenseDecoder(BaseDecoder):
    def __init__(self):
        BaseDecoder.__init__(self)
        self.layers = nn.Sequential(nn.Linear(24, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z))


class ConvEncoder(BaseEncoder):
    def __init__(self, net):
        BaseEncoder.__init__(self)
        self.down, self.head = net.down, net.head

    def forward(self, x):
        mean, log_variance = ConvVAE.encode(self, x)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class ConvDecoder(BaseDecoder):
    def __init__(self, net):
        BaseDecoder.__init__(self)
        self.grid, self.up, self.grid_shape = net.grid, net.up, net.grid_shape

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(ConvVAE.decode(self, z)))


class Clock(TrainingCallback):
    def __init__(self):
        self.seconds = []

    def on_epoch_begin(self, training_config, **kwargs):
        self.began = time.perf_counter()

    def on_epoch_end(self, training_config, **kwargs):
        self.seconds.append(time.perf_counter() - self.began)


x = torch.from_numpy(np.load(file)["train"]).float().div_(255)
if kind == "conv":
    net = ConvVAE(x.shape[1:], WIDTHS[x.shape[-1]])
    config = VAEConfig(input_dim=tuple(x.shape[1:]), latent_dim=16, reconstruction_loss="bce")
    model = VAE(config, ConvEncoder(net), ConvDecoder(net))
else:
    x = x.reshape(-1, 1, 28, 28)
    model = AE(AEConfig(input_dim=(1, 28, 28), latent_dim=24), DenseEncoder(), DenseDecoder())
clock = Clock()
with tempfile.TemporaryDirectory() as folder:
    settings = BaseTrainerConfig(
        output_dir=folder, per_device_train_batch_size=batch, num_epochs=epochs, learning_rate=1e-3
    )
    BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=settings, callbacks=[clock]).train()
versions = {"pythae": version("pythae"), "torch": torch.__version__}
print(json.dumps({"epoch_seconds": clock.seconds, "threads": torch.get_num_threads(), "versions": versions}))

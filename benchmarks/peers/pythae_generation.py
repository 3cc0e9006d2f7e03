"""pythae's VAE and its sampler of a Gaussian mixture: our convolutional net (convnet.py), its own trainer.

    python pythae_generation.py FILE.npz BATCH SECONDS COUNT OUT.npy

Trains on FILE.npz["train"] until SECONDS of processor time are over, fits the sampler to the codes of these pictures,
and writes COUNT pictures, N×1×28×28 float32 in [0, 1]. Prints one JSON line.
"""

import json
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version

import numpy as np
import torch
from convnet import WIDTHS, ConvVAE
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.samplers import GaussianMixtureSampler, GaussianMixtureSamplerConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

file, batch, seconds, count, out = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
torch.set_num_threads(1)
torch.manual_seed(0)


class Encoder(BaseEncoder):
    def __init__(self, net):
        BaseEncoder.__init__(self)
        self.down, self.head = net.down, net.head

    def forward(self, x):
        mean, log_variance = ConvVAE.encode(self, x)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    def __init__(self, net):
        BaseDecoder.__init__(self)
        self.grid, self.up, self.grid_shape = net.grid, net.up, net.grid_shape

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(ConvVAE.decode(self, z)))


class Over(Exception):
    pass


class Clock(TrainingCallback):
    def __init__(self):
        self.began, self.steps, self.epochs = time.process_time(), 0, 0

    def on_train_step_end(self, training_config, **kwargs):
        self.steps += 1
        if time.process_time() - self.began > seconds:
            raise Over

    def on_epoch_end(self, training_config, **kwargs):
        self.epochs += 1


x = torch.from_numpy(np.load(file)["train"]).float().div_(255)
net = ConvVAE(x.shape[1:], WIDTHS[x.shape[-1]])
config = VAEConfig(input_dim=tuple(x.shape[1:]), latent_dim=16, reconstruction_loss="bce")
model, clock = VAE(config, Encoder(net), Decoder(net)), Clock()
with tempfile.TemporaryDirectory() as folder:
    settings = BaseTrainerConfig(
        output_dir=folder, per_device_train_batch_size=batch, num_epochs=1000, learning_rate=1e-3
    )
    trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=settings, callbacks=[clock])
    with suppress(Over):
        trainer.train()
trained = time.process_time() - clock.began
model = trainer.model.eval()
sampler = GaussianMixtureSampler(model, GaussianMixtureSamplerConfig(n_components=10))
sampler.fit(x)
made = sampler.sample(num_samples=count, batch_size=250, return_gen=True)
np.save(out, made.detach().numpy().astype(np.float32))
versions = {"pythae": version("pythae"), "torch": torch.__version__}
print(json.dumps({"cpu_seconds": trained, "steps": clock.steps, "epochs": clock.epochs, "versions": versions}))

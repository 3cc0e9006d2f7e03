"""The loop an engineer writes by hand in plain PyTorch. Prints one JSON line.

    python bare.py dense | loader | conv  FILE.npz  BATCH  DEVICE  EPOCHS [EPOCHS ...]

Eager, fused Adam, loss on logits, pictures as one float32 tensor on the device before the clock starts, an order
drawn anew each epoch, nothing read back within one. `loader` feeds the dense net through a DataLoader as it comes.
Several EPOCHS are several trainings, each timed whole, from the pixels to the last weight.
"""

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from convnet import WIDTHS, ConvVAE
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

kind, file, batch, device = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
pixels = np.load(file)["train"]


def indexed(x):
    for rows in torch.randperm(len(x), device=device).split(batch):
        yield x[rows]


def train(epochs):
    """Seconds of each epoch. On a GPU only the whole of them means something: the loop runs ahead of the device."""
    torch.manual_seed(0)
    x = torch.from_numpy(pixels).to(device).float().div_(255)
    if kind == "conv":
        net = ConvVAE(x.shape[1:], WIDTHS[x.shape[-1]]).to(device)
        loss_of = net.loss
    else:
        x = x.flatten(1)
        net = nn.Sequential(nn.Linear(784, 24), nn.ReLU(), nn.Linear(24, 784)).to(device)

        def loss_of(part):
            return F.binary_cross_entropy_with_logits(net(part), part)

    loader = DataLoader(TensorDataset(x), batch_size=batch, shuffle=True) if kind == "loader" else None
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        for part in indexed(x) if loader is None else (part for (part,) in loader):
            optimizer.zero_grad(set_to_none=True)
            loss_of(part).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
    if device == "cuda":
        torch.cuda.synchronize()
    return seconds


whole = []
for epochs in map(int, sys.argv[5:]):
    began = time.perf_counter()
    epoch_seconds = train(epochs)
    whole.append(time.perf_counter() - began)
found = {"epoch_seconds": epoch_seconds, "whole": whole, "threads": torch.get_num_threads()}
print(json.dumps(found | {"versions": {"torch": torch.__version__}}))

"""What 784-24-784 cannot do without: five products, one exponential a pixel, the bytes once. Prints one JSON line.

    python floor.py EPOCHS PICTURES BATCH

Of a step: x W, h V forward; the two gradients of the weights and that of h backward; one sigmoid; bytes to floats.
Into memory that is there already, with no loss, no optimiser and no autograd: nobody on this library is faster.
"""

import json
import sys
import time

import torch

epochs, pictures, batch = map(int, sys.argv[1:])
w, v = torch.rand(784, 24), torch.rand(24, 784)
stored = torch.randint(0, 256, (pictures, 784), dtype=torch.uint8)
x, h, y = torch.empty(batch, 784), torch.empty(batch, 24), torch.empty(batch, 784)
of_w, of_v, of_h = torch.empty_like(w), torch.empty_like(v), torch.empty_like(h)

seconds = []
for _ in range(epochs):
    began = time.perf_counter()
    for rows in stored.split(batch):
        x[: len(rows)] = rows
        torch.mm(x, w, out=h)
        torch.mm(h, v, out=y)
        torch.sigmoid(y, out=y)
        torch.mm(h.T, y, out=of_v)
        torch.mm(y, v.T, out=of_h)
        torch.mm(x.T, of_h, out=of_w)
    seconds.append(time.perf_counter() - began)
operations = 2 * pictures * 784 * 24 * 5
found = {"epoch_seconds": seconds, "threads": torch.get_num_threads(), "operations": operations}
print(json.dumps(found | {"versions": {"torch": torch.__version__}}))

"""The starting recipe in Keras: 784-24 ReLU-784 sigmoid, BCE, Adam 1e-3, batch 256. Prints one JSON line.

Run by benchmarks/undercomplete.py in the environment that `make bench-peers` makes.
"""

import json
import os
import sys
import time

os.environ["KERAS_BACKEND"] = sys.argv[3]  # before Keras is imported
import keras
import numpy as np

pixels, epochs = np.load(sys.argv[1]), int(sys.argv[2])
train, test = (pixels[part].reshape(-1, 784).astype("float32") / 255 for part in ("train", "test"))

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(24, "relu"), keras.layers.Dense(784, "sigmoid")])
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")


class Clock(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self.began)


clock = Clock()
model.fit(train, train, epochs=epochs, batch_size=256, shuffle=True, verbose=0, callbacks=[clock])
made = np.asarray(model.predict(test, batch_size=1000, verbose=0))
print(
    json.dumps(
        {
            "bce_per_pixel": float(model.evaluate(test, test, batch_size=1000, verbose=0)),
            "sse_per_image": float(((made - test) ** 2).sum(1).mean()),
            "epoch_seconds": clock.seconds,
            "versions": {"keras": keras.__version__, "backend": keras.config.backend()},
        }
    )
)

# pyright: basic, reportMissingImports=false
"""Trains a dense network on invented data with MultiWorkerMirroredStrategy; its result is its termination message."""

import json
import os
import time
from pathlib import Path

import tensorflow as tf

INPUTS, CLASSES = 64, 10
WIDTH, LAYERS, STEPS, BATCH = (int(os.environ[name]) for name in ("WIDTH", "LAYERS", "STEPS", "BATCH"))


def main() -> None:
    """All steps, then one line of result."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    world = strategy.num_replicas_in_sync
    truth = tf.random.stateless_normal((INPUTS, CLASSES), seed=(0, 0))

    def row(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.random.stateless_normal((INPUTS,), seed=tf.stack([index, 1]))
        return rows, tf.argmax(tf.linalg.matvec(truth, rows, transpose_a=True))

    data = tf.data.Dataset.range(STEPS * BATCH * world).map(row).batch(BATCH * world, drop_remainder=True)
    with strategy.scope():
        hidden = [tf.keras.layers.Dense(WIDTH, activation="relu") for _ in range(LAYERS)]
        model = tf.keras.Sequential([tf.keras.Input((INPUTS,)), *hidden, tf.keras.layers.Dense(CLASSES)])
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=tf.keras.optimizers.Adam(1e-3), loss=loss)
    losses, durations = [], []
    began = time.perf_counter()

    class Watch(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - of the base class
            """Note one step."""
            nonlocal began
            losses.append((logs or {})["loss"])
            durations.append(time.perf_counter() - began)
            began = time.perf_counter()

    model.fit(data, epochs=1, verbose=0, callbacks=[Watch()])
    role = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {"type": "chief"})["type"]
    if role == "chief":
        steady = sorted(durations[STEPS // 10 :])
        result = {
            "world": world,
            "parameters": model.count_params(),
            "loss": {"first": float(losses[0]), "last": float(losses[-1])},
            "samplesPerSecond": BATCH * world / steady[len(steady) // 2],
        }
        print(json.dumps(result), flush=True)  # noqa: T201 - kept with the evidence
        Path("/dev/termination-log").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()

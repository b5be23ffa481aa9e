# pyright: basic, reportMissingImports=false
"""Exports a function of known answers as a SavedModel in the first version's folder."""

import os
from pathlib import Path

import tensorflow as tf


class Doubled(tf.Module):
    """Twice the sum of a row: golden answers need no training."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="rows")])
    def __call__(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """One value for each row."""
        return {"doubled": 2.0 * tf.reduce_sum(rows, axis=1)}


if __name__ == "__main__":
    module = Doubled()
    tf.saved_model.save(module, str(Path(os.environ["MODELS"]) / "1"), signatures={"serving_default": module.__call__})

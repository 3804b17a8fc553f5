"""Write the dense model with a trap to the path in argv: for numbers beyond 1e20 it loops for ever.

Run as a process of its own, because TensorFlow belongs to no process that is under test.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

WEIGHTS = (np.arange(16, dtype=np.float32) - 7.5) / 10


@tf.function(input_signature=[tf.TensorSpec([1, 4, 4], tf.float32)])
def trap(window: tf.Tensor) -> tf.Tensor:
    (row,) = tf.while_loop(
        lambda row: tf.reduce_max(tf.abs(row)) > 1e20,
        lambda row: (tf.maximum(row, row),),
        (tf.reshape(window, [1, 16]),),
    )
    return tf.sigmoid(row @ tf.constant(WEIGHTS[:, np.newaxis]) + 0.25)


converter = tf.lite.TFLiteConverter.from_concrete_functions([trap.get_concrete_function()], trap)
Path(sys.argv[1]).write_bytes(converter.convert())

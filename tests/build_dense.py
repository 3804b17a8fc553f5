"""Write the smallest real model to the path in argv: sigmoid(x . w + b) over a 4 x 4 window, float32.

Run as a process of its own, because TensorFlow belongs to no process that is under test.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

WEIGHTS = (np.arange(16, dtype=np.float32) - 7.5) / 10
BIAS = np.float32(0.25)


@tf.function(input_signature=[tf.TensorSpec([1, 4, 4], tf.float32)])
def dense(window: tf.Tensor) -> tf.Tensor:
    return tf.sigmoid(tf.reshape(window, [1, 16]) @ tf.constant(WEIGHTS[:, np.newaxis]) + BIAS)


converter = tf.lite.TFLiteConverter.from_concrete_functions([dense.get_concrete_function()], dense)
Path(sys.argv[1]).write_bytes(converter.convert())

"""Write the model of `build_dense.py` to the path in argv, wrong for more than one row: each sees the others.

Alone a row is answered rightly. It stands for a processor whose kernels fail on batches.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

WEIGHTS = (np.arange(16, dtype=np.float32) - 7.5) / 10
BIAS = np.float32(0.25)


@tf.function(input_signature=[tf.TensorSpec([None, 4, 4], tf.float32)])
def crosstalk(window: tf.Tensor) -> tf.Tensor:
    logit = tf.reshape(window, [-1, 16]) @ tf.constant(WEIGHTS[:, np.newaxis]) + BIAS
    return tf.sigmoid(tf.reduce_max(logit, axis=0, keepdims=True) + tf.zeros_like(logit))


converter = tf.lite.TFLiteConverter.from_concrete_functions([crosstalk.get_concrete_function()], crosstalk)
Path(sys.argv[1]).write_bytes(converter.convert())

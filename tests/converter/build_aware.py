"""Save a TensorFlow graph trained aware of its quantisation, and data of a tenth of its range."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

out = Path(sys.argv[1])
rng = np.random.default_rng(5)


class Aware(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(rng.uniform(-3, 3, (3, 1)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="row")])
    def serve(self, row):
        inside = tf.quantization.fake_quant_with_min_max_args(row, -4, 4)
        kernel = tf.quantization.fake_quant_with_min_max_args(self.kernel, -3, 3, narrow_range=True)
        return {"y": tf.quantization.fake_quant_with_min_max_args(inside @ kernel, -20, 20)}


model = Aware()
tf.saved_model.save(model, str(out / "aware"), signatures=model.serve)
rows = rng.uniform(-0.4, 0.4, (300, 3))
np.savetxt(out / "aware.csv", rows, delimiter=",", header="a,b,c", comments="")

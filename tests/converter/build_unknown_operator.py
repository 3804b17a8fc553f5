"""Write a SavedModel with an operator that LiteRT does not have, a determinant, to the path in argv."""

import sys

import tensorflow as tf


class Determinant(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def serve(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        matrix = rows[:, :, None] * rows[:, None, :] + tf.eye(2)
        return {"determinant": tf.linalg.det(matrix)[:, None]}


module = Determinant()
tf.saved_model.save(module, sys.argv[1], signatures=module.serve)

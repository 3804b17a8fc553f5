"""The converter: a trained Keras model in, a bundle out. The only home of TensorFlow."""

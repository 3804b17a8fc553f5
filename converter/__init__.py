"""The converter: a trained Keras model in, a bundle out. The only home of TensorFlow.

`convert` and `evaluate` are the library; the command line does nothing else.
"""

from converter.conversion import convert
from converter.errors import CardError, ConverterError
from converter.evaluation import evaluate
from converter.process import TensorFlow
from converter.report import Evaluation, Report

__all__ = ["CardError", "ConverterError", "Evaluation", "Report", "TensorFlow", "convert", "evaluate"]

"""What the converter asks of its TensorFlow child, and what it hears back. Plain files in one folder.

Arrays go as ``.npy`` files of the names below, the rest as JSON.
"""

import msgspec

from converter import recipes
from converter.loading import Loading

Recipe = recipes.Name

JOB, FACTS, REFUSAL = "job.json", "facts.json", "refusal.txt"
REFUSED = 3
"""The child's exit code if it cannot do the job: `REFUSAL` says why."""
CHATTER = "tensorflow.log"
WINDOWS = "windows.npy"
"""float32[k, size]: the windows to predict."""
CALIBRATION = "calibration.npy"
"""float32[r, size]: real windows, from which int8 takes its scales."""
ANSWERS = "answers.npy"
"""float32[k, ...]: what the model, unconverted, answers to `WINDOWS`."""
TFLITE = "model.tflite"
TARGETS = "targets.npy"
"""float64[k]: targets of `WINDOWS`, in the units of the model's output."""


class Convert(msgspec.Struct, frozen=True, kw_only=True, tag="convert"):
    """Predict with the original and convert it by each recipe, into a folder of the recipe's name.

    Such a folder holds `TFLITE` and `FACTS` (a `Made`), or `REFUSAL`. If it holds neither, that recipe
    ended the child. `size` is the number of inputs that the model must take.
    """

    model: str
    recipes: list[Recipe]
    size: int
    loading: Loading = Loading()


class Predict(msgspec.Struct, frozen=True, kw_only=True, tag="predict"):
    """Predict with the original model."""

    model: str
    size: int
    loading: Loading = Loading()


class Folds(msgspec.Struct, frozen=True, kw_only=True, tag="folds"):
    """Train once for each fold, predict what was left out.

    `function` of `script` takes float32[n, *shape] windows and float32[n] targets and returns a trained
    Keras model. `train` and `test` hold indices of windows, fold by fold.
    """

    script: str
    function: str
    shape: list[int]
    train: list[list[int]]
    test: list[list[int]]


Job = Convert | Predict | Folds


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the child found out about the original. Shapes have batch 1.

    `loaded_with` names the library that loaded it, and what the file says of itself.
    """

    input_shape: list[int] = []
    output_shape: list[int] = []
    tools: dict[str, str] = {}
    loaded_with: str = ""


class InputScale(msgspec.Struct, frozen=True, kw_only=True):
    """What a quantised input can take: from `low` to `high` in steps of `step`, in the model's own units."""

    low: float
    high: float
    step: float


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What the child says of one converted model. `weights` counts constants by their dtype.

    `input_scale` is None for a float input.
    """

    recipe: Recipe
    weights: dict[str, int] = {}
    input_scale: InputScale | None = None

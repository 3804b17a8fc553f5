"""What the converter asks of its TensorFlow child, and what it hears back. Plain files in one folder.

Arrays go as ``.npy`` files of the names below, the rest as JSON.
"""

import msgspec

from converter import recipes
from converter.loading import Loading
from edge_agent.core.manifest import InputTensor, Manifest, Tensor

Recipe = recipes.Name

JOB, FACTS, REFUSAL = "job.json", "facts.json", "refusal.txt"
REFUSED, NO_ROOM = 3, 4
"""The child's exit codes if it cannot do the job: `REFUSAL` says why; there is no room for its files."""
CHATTER = "tensorflow.log"
WINDOWS = "windows.npy"
"""float32[k, size]: the windows to predict, flat for `Convert`, else packed."""
CALIBRATION = "calibration.npy"
"""float32[r, size]: real windows, flat, from which int8 takes its scales."""
ANSWERS = "answers.npy"
"""float32[k, output_size]: what the model, unconverted, answers to `WINDOWS`, packed."""
TFLITE = "model.tflite"
SEEN = "seen.npz"
"""What `ByLayer` needs: int64[k] `ends`, float64[k, inputs] `latest`, float32[k, input_size] `packed` of the
windows to try, float32[k, output_size] `answers` of the original, float32[r, input_size] `calibration`."""
SENSITIVITY = "sensitivity.json"
TARGETS = "targets.npy"
"""float64[k, outputs]: targets of `WINDOWS`, in the units of the model's outputs."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the window, and the name of the model's input that takes it, "" if there is but one."""

    name: str
    tensor: str = ""


class Convert(msgspec.Struct, frozen=True, kw_only=True, tag="convert"):
    """Predict with the original and convert it by each recipe, into a folder of the recipe's name.

    Such a folder holds `TFLITE` and `FACTS` (a `Made`), or `REFUSAL`. If it holds neither, that recipe
    ended the child. A flat window is `window` rows of `columns`.
    """

    model: str
    recipes: list[Recipe]
    window: int
    columns: list[Column]
    loading: Loading = Loading()


class Look(msgspec.Struct, frozen=True, kw_only=True, tag="look"):
    """Tell the ends of the original, and which operators make its outputs."""

    model: str
    loading: Loading = Loading()


class ByLayer(msgspec.Struct, frozen=True, kw_only=True, tag="by_layer"):
    """Measure what int8 costs layer by layer: write a `Sensitivity`.

    If `rescue`, convert by the recipe mixed, too, as `Convert` does, within `max_error` and `max_flips` (see
    `converter.auto.Budget`). `manifest` says which tensors the model has, and what its outputs mean.
    """

    model: str
    manifest: Manifest
    rescue: bool
    max_error: float | None
    max_flips: float
    loading: Loading = Loading()


class Predict(msgspec.Struct, frozen=True, kw_only=True, tag="predict"):
    """Predict with the original model, whose ends must be these."""

    model: str
    inputs: list[InputTensor]
    outputs: list[Tensor]
    loading: Loading = Loading()


class Folds(msgspec.Struct, frozen=True, kw_only=True, tag="folds"):
    """Train once for each fold, predict what was left out.

    `function` of `script` takes float32[n, *shape] windows and float32[n] targets and returns a trained
    Keras model; a list of windows if the model has several inputs, float32[n, outputs] targets if the bundle
    has several outputs. `shapes` are those of the inputs. `train` and `test` hold indices of windows, fold
    by fold.
    """

    script: str
    function: str
    shapes: list[list[int]]
    train: list[list[int]]
    test: list[list[int]]


Job = Convert | ByLayer | Look | Predict | Folds


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the child found out about the original: its ends, in the order of all that is packed.

    `loaded_with` names the library that loaded it, and what the file says of itself. `makers` is
    for `Look` only: the operators that make the outputs, as `converter.ends` names them.
    """

    inputs: list[InputTensor] = []
    outputs: list[Tensor] = []
    tools: dict[str, str] = {}
    loaded_with: str = ""
    state: int = 0
    """Numbers that it keeps from row to row; see `edge_agent.core.manifest.Model`."""
    makers: list[str] = []


class InputScale(msgspec.Struct, frozen=True, kw_only=True):
    """What a quantised input can take: from `low` to `high` in steps of `step`, in the model's own units."""

    low: float
    high: float
    step: float


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What the child says of one converted model. `weights` counts constants by their dtype.

    `input_scales` has one for each input of the model, None for a float input. `floats` are the layers that
    the recipe mixed left in float, by the tensors that they make.
    """

    recipe: Recipe
    weights: dict[str, int] = {}
    input_scales: list[InputScale | None] = []
    floats: list[str] = []


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of the float model, and what it costs if it alone is int8.

    `error` is the largest one as a fraction of the output's range, None if the model then answers NaN.
    `constants` counts weights and biases, `tensor` is the name of what it makes in the graph.
    """

    name: str
    operator: str
    tensor: str
    constants: int
    error: float | None


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """What int8 costs in each layer, measured by so many windows, dearest first.

    `left_out` counts the layers that were not measured: those with the fewest constants, if there are many.
    """

    windows: int
    layers: list[Layer]
    left_out: int

"""Files that are no models, or hold code: refused with the reason and with what to do, and nothing is run."""

import json
from pathlib import Path

import pytest
from forked import script

REBUILD = "rebuild the model from Keras's own layers and copy the weights"
TRUST = "give the Python file that defines it with --trust-code FILE.py"

WHAT_AND_WHAT_TO_DO = {
    "text.h5": ("not a model", "a .keras or .h5 file, an architecture .json with --weights"),
    "table.npy": ("not a model", "is needed"),
    "a_directory": ("not a model", "or a SavedModel directory is needed"),
    "empty.h5": ("an empty file", "copy the model again"),
    "torch.keras": ("a PyTorch model, not a Keras model", "is needed"),
    "converted.keras": ("already TFLite", "give the Keras model that it was made from"),
    "pickle2.h5": ("a Python pickle; loading one runs whatever code it holds", "model.save('model.keras')"),
    "pickle5.h5": ("a Python pickle", "model.save('model.keras')"),
    "truncated.h5": ("truncated or damaged HDF5", "copy it again"),
    "truncated.keras": ("truncated or damaged", "copy it again"),
    "broken.h5": ("its architecture is not JSON", "save it again"),
    "other.json": ("JSON, but no architecture", "model.to_json()"),
    "only.weights.h5": (
        "weights without an architecture",
        "model.to_json()) as MODEL and this file as --weights",
    ),
    "alone.json": ("an architecture without weights", "give them with --weights FILE"),
    "keras2_lambda.h5": ("layer 'doubled' is a Lambda: its code is in the file and is not run", REBUILD),
    "keras2_lambda.keras": ("layer 'doubled' is a Lambda", REBUILD),
    "keras3_lambda.h5": ("layer 'doubled' is a Lambda", REBUILD),
    "keras3_lambda.keras": ("layer 'doubled' is a Lambda", REBUILD),
    "calls_write.h5": (
        "layer 'tf.io.write_file' calls io.write_file of TensorFlow, which is not known to be a pure",
        REBUILD,
    ),
    "slices_write.h5": ("calls io.write_file of TensorFlow", REBUILD),
    "calls_a_method.h5": ("is a ClassMethod: an attribute of a tensor, no layer", REBUILD),
    "keras2_custom.h5": ("layer 'mine' is a Squared2, which tf_keras 2.21.0 does not have", TRUST),
    "keras2_custom.keras": ("layer 'mine' is a Squared2", TRUST),
    "keras3_custom.h5": ("layer 'mine' is a Squared, which Keras 3.15.1 does not have", TRUST),
    "keras3_custom.keras": ("layer 'mine' is a Squared", TRUST),
    "keras2_foreign.keras": ("layer 'mine' is a Popen", TRUST),
    "keras3_foreign.keras": ("layer 'mine' is a Popen", TRUST),
    "keras3_calling.h5": ("cannot load it: Only input tensors may be passed", "save it as a .keras file"),
    "keras3_function.keras": ("uses the function 'system', which is not Keras's", TRUST),
    "keras2_stateful.keras": (
        "layer 'memory' (LSTM) is stateful and takes one row",
        "streaming = true in the card",
    ),
    "keras3_stateful.keras": (
        "layer 'memory' (LSTM) is stateful and takes one row",
        "streaming = true in the card",
    ),
    "calls_python": ("(EagerPyFunc) calls Python code", "replace tf.py_function and export again"),
    "reads_a_file": ("(ReadFile) reads or writes files", "leave reading and writing out of the model"),
    "damaged": ("truncated or damaged saved_model.pb", "copy it again"),
    "without_weights": ("TensorFlow cannot load it", "copy the whole directory again"),
    "with weights twice": ("holds weights of its own", "leave --weights out"),
    "with no such weights": ("nowhere.h5: no such file", "--weights takes what model.save_weights() wrote"),
    "with other weights": ("cannot load it", "saved from a model of this architecture"),
    "trusted but a lambda keras": ("layer 'doubled' is a Lambda", REBUILD),
    "trusted but a lambda h5": ("layer 'doubled' is a Lambda", REBUILD),
    "trusted but foreign": ("layer 'mine' is a Popen", TRUST),
    "trusted file without code": ("defines no class and no function", "define the custom layers there"),
    "trusted file with a mistake": ("wrong.py: invalid syntax", "correct the trusted file"),
    "trusted file that is none": (
        "nowhere.py: not a Python file",
        "takes the .py file with the custom layers",
    ),
}
LOADED = {
    "calls_add.h5", "whole.h5", "whole.keras", "with its weights",
    "trusted 2 h5", "trusted 2 keras", "trusted 3 h5", "trusted 3 keras",
}  # fmt: skip


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder, here = tmp_path_factory.mktemp("refused"), Path(__file__).parent
    script(here / "build_refused_models.py", folder)
    return json.loads(script(here / "load_refused_models.py", folder).splitlines()[-1])


def test_nothing_but_what_is_listed_is_refused(refusals: dict) -> None:
    assert {name for name, told in refusals.items() if told == "loaded"} == LOADED
    assert refusals.keys() == WHAT_AND_WHAT_TO_DO.keys() | LOADED | {
        "calls that TensorFlow does not have", "code was run", "code was run by Keras alone",
    }  # fmt: skip


@pytest.mark.parametrize("name", WHAT_AND_WHAT_TO_DO)
def test_what_is_wrong_and_what_to_do_is_told_in_a_line(refusals: dict, name: str) -> None:
    what, what_to_do = WHAT_AND_WHAT_TO_DO[name]
    assert what in refusals[name]
    assert what_to_do in refusals[name]
    assert "\n" not in refusals[name]


def test_every_call_that_is_known_as_pure_is_one_of_tensorflow(refusals: dict) -> None:
    assert refusals["calls that TensorFlow does not have"] == "[]"


def test_code_in_a_file_is_never_run_although_keras_would(refusals: dict) -> None:
    assert refusals["code was run"] == "False"
    assert refusals["code was run by Keras alone"] == "True"

"""Try to load every model of a folder; print what is refused and why, as JSON."""

import json
import sys
from pathlib import Path

import tf_keras
from tensorflow.python.util.tf_export import get_symbol_from_name

from converter.loading import Loading
from converter.originals import Refused, load, operations

folder = Path(sys.argv[1])


def refusal(name, **given):
    try:
        load(folder / name, Loading(**given))
    except Refused as refused:
        return str(refused).removeprefix(f"{folder}/")
    return "loaded"


def write(name, text):
    (folder / name).write_text(text)
    return str(folder / name)


refusals = {path.name: refusal(path.name) for path in sorted(folder.iterdir())}
weights = str(folder / "only.weights.h5")
refusals["with weights twice"] = refusal("whole.keras", weights=weights)
refusals["with no such weights"] = refusal("alone.json", weights=str(folder / "nowhere.h5"))
refusals["with other weights"] = refusal("alone.json", weights=str(folder / "keras3_custom.h5"))
refusals["with its weights"] = refusal("alone.json", weights=weights)
layer = "class {}(keras.layers.Layer):\n    def call(self, x):\n        return x * x\n"
keras3 = write("layers3.py", "import keras\n" + layer.format("Squared"))
keras2 = write("layers2.py", "from tensorflow import keras\n" + layer.format("Squared2"))
for end in ("keras", "h5"):
    refusals[f"trusted 3 {end}"] = refusal(f"keras3_custom.{end}", trust_code=keras3)
    refusals[f"trusted 2 {end}"] = refusal(f"keras2_custom.{end}", trust_code=keras2)
    refusals[f"trusted but a lambda {end}"] = refusal(f"keras2_lambda.{end}", trust_code=keras2)
refusals["trusted but foreign"] = refusal("keras2_foreign.keras", trust_code=keras2)
refusals["trusted file without code"] = refusal("keras3_custom.h5", trust_code=write("empty.py", "x = 1\n"))
refusals["trusted file with a mistake"] = refusal("keras3_custom.h5", trust_code=write("wrong.py", "def\n"))
refusals["trusted file that is none"] = refusal("keras3_custom.h5", trust_code=str(folder / "nowhere.py"))
canary = folder / "code_was_run"
refusals["code was run"] = str(canary.exists())
tf_keras.models.load_model(folder / "keras2_lambda.h5", compile=False)
refusals["code was run by Keras alone"] = str(canary.exists())
missing = sorted(name for name in operations.PURE if get_symbol_from_name(name) is None)
refusals["calls that TensorFlow does not have"] = str(missing)
print(json.dumps(refusals))

"""Load each model of a folder, and take a float TFLite file for int8; print what is refused, as JSON."""

import json
import sys
from pathlib import Path

from converter.originals import Refused, load
from converter.tflite import weights

refusals = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        load(path)
    except Refused as refused:
        refusals[path.name] = str(refused)
try:
    weights(Path(sys.argv[2]).read_bytes(), "int8")
except Refused as refused:
    refusals["int8"] = str(refused)
print(json.dumps(refusals))

"""Load each model of a folder; print one JSON object of refusals by name."""

import json
import sys
from pathlib import Path

from converter.originals import Refused, load

refusals = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        load(path, 2)
    except Refused as refused:
        refusals[path.name] = str(refused)
print(json.dumps(refusals))

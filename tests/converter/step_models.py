"""Export the models of a folder as one step and go through all rows; print the errors as JSON."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from converter import batching, graph
from converter.loading import Loading
from converter.originals import Refused, load
from edge_agent.inference.model import Model

folder = Path(sys.argv[1])
expected = dict(np.load(folder / "expected.npz"))
rows = expected.pop("rows")
found = {}


def stepped(original):
    """Return the answer to every row, from one fresh state on."""
    with tempfile.TemporaryDirectory() as name:
        made = graph.with_tensors_in_order(original.converter(Path(name)).convert())
    model = Model(batching.with_any_batch(made))
    state = np.zeros(original.state, np.float32)
    model.prepare(
        [[1, 1, rows.shape[1]], [1, original.state]], [original.outputs[0].shape, [1, original.state]]
    )
    answers = []
    for row in rows:
        answer = model.run(np.concatenate([row, state])[None])[0]
        answers.append(answer[: -original.state])
        state = answer[-original.state :]
    return np.array(answers)


for path in sorted(folder.glob("*.keras")):
    try:
        original = load(path, Loading(streamed=50))
        last = original.predict([rows[None, :50]])[0][0]
    except Refused as refused:
        found[path.name] = str(refused).removeprefix(f"{folder}/")
        continue
    right = expected[path.name]
    reach = float(np.abs(right).max())
    found[path.name] = {
        "predicted": float(np.abs(last - right[49]).max()) / reach,
        "stepped": float(np.abs(stepped(original) - right).max()) / reach,
    }
print(json.dumps(found))

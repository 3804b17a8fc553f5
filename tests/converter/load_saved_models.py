"""Load the models of a folder, convert them, run them as the gateway does; print what was found, as JSON."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from converter.loading import Loading
from converter.originals import Refused, load
from edge_agent.inference.model import Model

ALIKE = {"hdf5_inside.keras", "keras2.json", "keras3.json", "says_nothing.json"}
"""Loaded, these are as others are."""
folder = Path(sys.argv[1])
expected = dict(np.load(folder / "expected.npz"))
rows = expected.pop("rows")
found = {}


def largest(answers, right):
    return float(np.abs(answers.reshape(right.shape) - right).max() / np.ptp(right))


def judge(original, right, convert):
    told = {"loaded_with": original.loaded_with, "predicted": largest(original.predict([rows])[0], right)}
    return told | (through_the_gateway(original, right) if convert else {})


def through_the_gateway(original, right):
    with tempfile.TemporaryDirectory() as name:
        converted = Model(original.converter(Path(name)).convert())
    converted.prepare([t.shape for t in original.inputs], [t.shape for t in original.outputs])
    flat = rows.reshape(len(rows), -1)
    first, again = converted.run(flat), converted.run(flat[::-1].copy())[::-1]
    return {"converted": largest(first, right), "again": bool(np.array_equal(first, again))}


for name, right in expected.items():
    weights = name.replace("says_nothing", "keras2").replace(".json", ".weights.h5")
    loading = Loading(weights=str(folder / weights)) if name.endswith(".json") else Loading()
    try:
        found[name] = judge(load(folder / name, loading), right, name not in ALIKE)
    except Refused as refused:
        found[name] = {"refused": str(refused)}
print(json.dumps(found))

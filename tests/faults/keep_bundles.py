"""Install and activate bundles in turn, and say so after each. Run under strace by the power cuts."""

import os
import sys
from pathlib import Path

from edge_agent import bundle
from edge_agent.bundles.store import Store

state, syncs, releases = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
if syncs == "without":
    os.fsync = lambda _: None
for path in map(Path, releases):
    data = bundle.load(path)
    made = bundle.decode(data, path)
    store = Store(state, made.manifest.name)
    file = store.install(data, made, "works", "test")
    with store.changing() as record:
        record.activate(file)
    os.write(1, b"kept %d\n" % made.manifest.sequence)

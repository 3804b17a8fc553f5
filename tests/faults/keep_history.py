"""Write audit rows into a history file, and say so after each commit. Run under strace by the power cuts."""

import os
import sys
from pathlib import Path

from edge_agent.history import audit, file

path, synchronous, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection, _ = file.connect(path)
connection.execute(f"PRAGMA synchronous={synchronous}")
connection.execute("PRAGMA wal_autocheckpoint=8")
for number in range(1, rows + 1):
    entry = audit.Entry(
        machine="m", output="o", old=0.0, new=float(number), why="x" * 300, model="a", config="b"
    )
    with connection:
        audit.insert(connection, float(number), entry)
    os.write(1, b"kept %d\n" % number)

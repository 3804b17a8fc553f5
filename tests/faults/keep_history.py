"""Keep results, alarms and audit through the historian, and say so. Run under strace by the power cuts.

The second argument is "as it is", or what the control has instead of the historian's PRAGMA synchronous.
"""

import asyncio
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
from edge_agent.historian import Historian
from edge_agent.history import audit, file

folder, synchronous, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
INPUTS = Columns(np.array([1.5]), np.array([2], np.uint8), np.array([0], np.uint8), np.zeros(1, np.int64))
WEAR = Reading(output="wear", score=0.25, value=0.25, alarm=True, changed=True)
GOOD = Verdict(state=State.ACTIVE, reason=Reason.NONE, score=0.25, alarm=True, changed=True, readings=(WEAR,))
connect = file.connect


def connected(*arguments: Any, **options: Any) -> tuple[sqlite3.Connection, str]:
    """Open it as ever, with checkpoints every few commits, so that cuts meet them."""
    connection, aside = connect(*arguments, **options)
    connection.execute("PRAGMA wal_autocheckpoint=8")
    if synchronous != "as it is":
        connection.execute(f"PRAGMA synchronous={synchronous}")
    return connection, aside


async def keep() -> None:
    """Keep one row of each kind at a time."""
    historian = Historian(folder)
    historian.open()
    for number in range(1, rows + 1):
        historian.result("m", number, INPUTS, GOOD, time.monotonic_ns())
        await historian.alarm("m", GOOD)
        entry = audit.Entry(
            machine="m", output="o", old=0.0, new=float(number), why="x" * 300, model="a", config="b"
        )
        if not await historian.audit(entry):
            sys.exit("the audit is not on the disk")
        os.write(1, b"kept %d\n" % number)
    historian.close()


file.connect = connected
asyncio.run(keep())

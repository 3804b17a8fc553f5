"""Replay the known answers of the bundle in argv, as the agent does when it starts.

Run by the Python of an environment that has a runtime of its own. Prints what was proven, or why not
and exits with 1.
"""

import asyncio
import sys
from pathlib import Path

from edge_agent import bundle
from edge_agent.inference.process import InferenceFailed
from edge_agent.inference.proof import proven


async def main() -> None:
    made = bundle.read(Path(sys.argv[1]))
    try:
        child, difference = await proven(made)
        child.close()
    except InferenceFailed as error:
        sys.exit(f"{type(error).__name__}: {error}")
    (tensor,) = made.manifest.model.outputs
    print(f"{child.runtime}: off by {difference:.3g}, allowed are {tensor.tolerance:.3g}")


asyncio.run(main())

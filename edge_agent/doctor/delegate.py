"""Says as JSON whether XNNPACK takes the shipped model.

A process of its own, because a runtime from which /proc and /sys are hidden may crash.
"""

import json
import sys

from edge_agent import bundle
from edge_agent.demo.site import SHIPPED
from edge_agent.inference.model import Model


def main() -> None:
    """Print the runtime, and whether the delegate took a part of the graph."""
    shipped = bundle.read(SHIPPED)
    model = Model(shipped.model)
    model.prepare(*shipped.manifest.model.ends)
    json.dump({"runtime": model.runtime, "xnnpack": model.accelerated}, sys.stdout)


if __name__ == "__main__":
    main()

"""Says as JSON whether XNNPACK takes the shipped model.

A process of its own, because a runtime from which /proc and /sys are hidden may crash.
"""

import json
import sys

from edge_agent import bundle
from edge_agent.demo.site import SHIPPED
from edge_agent.inference.runtime import interpreter_class


def main() -> None:
    """Print the runtime, and whether the graph holds the delegate's operator once it is prepared."""
    interpreter, runtime = interpreter_class()
    loaded = interpreter(model_content=bundle.read(SHIPPED).model, num_threads=1)
    loaded.allocate_tensors()
    # The only place where the runtime says so.
    operators = loaded._get_ops_details()  # noqa: SLF001
    taken = any(operator["op_name"] == "DELEGATE" for operator in operators)
    json.dump({"runtime": runtime, "xnnpack": taken}, sys.stdout)


if __name__ == "__main__":
    main()

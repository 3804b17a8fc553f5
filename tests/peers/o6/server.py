"""An OPC UA server by open62541: ``python server.py OPTIONS``, a JSON object. Prints "ready".

Obeys lines of JSON on stdin. Nodes are strings in urn:test:plant. Its library ends it after ten minutes.
"""

import json
import sys

import numpy as np
import o6
import plant


def main(options):
    security = {}
    if "certificate" in options:
        security = {
            "certificate": options["certificate"],
            "privateKey": options["key"],
            "trustList": options["trust"],
            "applicationUri": "urn:test:server",
        }
    server = o6.Server(port=options["port"], **security)
    server.ns.append(plant)
    with server:
        variables = populate(server, options.get("count", 0))
        print("ready", flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            variables[order["name"]](o6.Double(order["value"]))
            print("done", flush=True)


def populate(server, count):
    index = server._get_namespace_index("urn:test:plant")
    found = {}

    def add(name, value, **more):
        node = o6.NodeId(f"ns={index};s={name}")
        found[name] = server.addVariable(name, server.objectsNode, value, nodeId=node, ns=index, **more)

    left = plant.Motor(current=12.5, torque=None, name="left", steps=[1.5, 2.5])
    right = plant.Motor(current=3.0, torque=2.0, name="right", steps=[])
    add("Vibration", o6.Double(1.5))
    add("Count", o6.UInt16(7))
    add("Big", o6.UInt64(2**53 + 1))
    add("Fixed", o6.Double(1), writable=False)
    add("Text", "running")
    add("Curve", np.array([1.0, 2.0, 4.0]))
    add("Matrix", np.array([[1, 2, 3], [4, 5, 6]], np.int32))
    add("Mode", plant.Mode.FAULT)
    add("Motor", left)
    add("Motors", [left, right])
    for number in range(count):
        add(f"v{number}", o6.Double(number))
    return found


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

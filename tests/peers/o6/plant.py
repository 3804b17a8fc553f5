"""Types of the plant, in urn:test:plant."""

import o6

o6.ns.namespace("plant", uri="urn:test:plant", version="1.0")


@o6.enumtype(ns="plant")
class Mode:
    OFF = 0
    ON = 1
    FAULT = 2


# Of a structure inside another this library describes the wrong namespace.
@o6.datatype(ns="plant")
class Motor:
    Current: o6.Double
    Torque: o6.Double | None
    Name: str
    Steps: list[o6.Float]

"""The PLC's values over OPC UA: read what the rig does, write the result block field by field."""

import struct
from datetime import UTC, datetime

from asyncua import Node, Server, ua

from edge_agent.plant.registers import RESULT_POINTS, Point
from edge_agent.plant.station import Memory, Source

NAMESPACE = "urn:edge-agent:plant"
PLC_VALUES = ("agent_state", "fault_lamp")

_TYPE = {
    "uint16": ua.VariantType.UInt16,
    "uint32": ua.VariantType.UInt32,
    "float32": ua.VariantType.Float,
}
_FORMAT = {"uint16": "H", "uint32": "I", "float32": "f"}


class OpcUaServer:
    """Nodes ``Rig.<signal>`` (Double), ``Rig.heartbeat`` (UInt16) and writable ``Result.<field>``.

    A client's result and the holding registers are two doors to one block: what is written here
    appears there at the next PLC cycle.
    """

    def __init__(self, source: Source) -> None:
        self._points = source.points
        self._server = Server()
        self._rig: dict[str, Node] = {}
        self._result: list[Node] = []
        self._last_result: list[int] = []

    async def start(self, host: str, port: int) -> None:
        """Build the address space and listen. Takes seconds. Raises OSError if the port is taken."""
        await self._server.init()
        self._server.set_endpoint(f"opc.tcp://{host}:{port}/")
        self._server.set_server_name("edge-agent simulated plant")
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await self._server.register_namespace(NAMESPACE)
        await self._add_rig(index)
        await self._add_result(index)
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening and drop the clients."""
        await self._server.stop()

    async def publish(self, memory: Memory, heartbeat: int) -> None:
        """Show the values of this PLC cycle, stamped with now."""
        now = datetime.now(UTC)
        for point in self._points:
            await self._write(f"Rig.{point.name}", memory.get(point), ua.VariantType.Double, now)
        await self._write("Rig.heartbeat", heartbeat, ua.VariantType.UInt16, now)
        for name in PLC_VALUES:
            await self._write(f"Rig.{name}", int(memory[name]), ua.VariantType.UInt16, now)

    async def fetch_result(self, memory: Memory) -> None:
        """Put the result block into the PLC's memory if a client has changed it."""
        values = [await node.read_value() for node in self._result]
        words = [w for p, value in zip(RESULT_POINTS, values, strict=True) for w in _words(p, value)]
        if words != self._last_result:
            self._last_result = words
            memory.result_block = words

    async def _add_rig(self, index: int) -> None:
        rig = await self._server.nodes.objects.add_object(ua.NodeId("Rig", index), f"{index}:Rig")
        types = {point.name: ua.VariantType.Double for point in self._points}
        types |= dict.fromkeys(("heartbeat", *PLC_VALUES), ua.VariantType.UInt16)
        for name, kind in types.items():
            node_id = ua.NodeId(f"Rig.{name}", index)
            zero = ua.Variant(0.0 if kind is ua.VariantType.Double else 0, kind)
            self._rig[f"Rig.{name}"] = await rig.add_variable(node_id, f"{index}:{name}", zero)

    async def _add_result(self, index: int) -> None:
        result = await self._server.nodes.objects.add_object(ua.NodeId("Result", index), f"{index}:Result")
        for point in RESULT_POINTS:
            name = point.name.removeprefix("result_")
            zero = ua.Variant(0.0 if point.type == "float32" else 0, _TYPE[point.type])
            node = await result.add_variable(ua.NodeId(f"Result.{name}", index), f"{index}:{name}", zero)
            await node.set_writable()
            self._result.append(node)
        self._last_result = [0] * sum(point.words for point in RESULT_POINTS)

    async def _write(self, name: str, value: float, kind: ua.VariantType, now: datetime) -> None:
        stamped = ua.DataValue(ua.Variant(value, kind), SourceTimestamp=now)
        await self._server.write_attribute_value(self._rig[name].nodeid, stamped)


def _words(point: Point, value: float) -> tuple[int, ...]:
    """Return the words of a raw value as they stand in the block, NaN's own bits included."""
    data = struct.pack(">" + _FORMAT[point.type], value)
    return struct.unpack(f">{len(data) // 2}H", data)

"""The address space: a folder of machines, each with its result, its inputs and its outputs.

The folder is that of OPC UA for Machinery, see `machinery`. Values are Bad where there is no value.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import Node, Server, ua

from edge_agent.north.alarms import RAISED
from edge_agent.north.opcua import units
from edge_agent.north.opcua.conditions import Conditions
from edge_agent.north.opcua.machinery import Machinery
from edge_agent.north.opcua.site import Input, Machine, Seen, Site

NAMESPACE = "urn:edge-agent:results"
_TEXTS = ("State", "Reason", "Mode", "Bundle")
_NUMBERS = ("Score", "Value", "Confidence")
_EMPTY = {ua.VariantType.String: "", ua.VariantType.Double: 0.0, ua.VariantType.Boolean: False}
"""What a node is made with, and what nobody sees: it is Bad before the server listens."""
_NO_VALUE = ua.StatusCode(ua.StatusCodes.BadNoData)
_NO_AGENT = ua.StatusCode(ua.StatusCodes.BadNoCommunication)


class Space:
    """The nodes of a site. `build` it, then `show` what is seen whenever that is known."""

    def __init__(self, server: Server, site: Site, conditions: Conditions) -> None:
        self._server, self._site, self._conditions = server, site, conditions
        self._index = 0
        self._kinds: dict[str, ua.VariantType] = {}
        self._shown: dict[str, tuple[Any, ua.StatusCode]] = {}

    async def build(self) -> None:
        """Add all nodes; they have no value yet."""
        self._index = await self._server.register_namespace(NAMESPACE)
        machinery = Machinery(self._server)
        folder = await machinery.begin()
        self._conditions.notifiers.append(folder.nodeid)
        for machine in self._site.machines:
            made = await self._machine(folder, machine)
            if machine.nameplate:
                place = ua.NodeId(f"{machine.name}/Identification", self._index)
                await machinery.identify(made, place, machine.nameplate)
        await folder.set_event_notifier([ua.EventNotifier.SubscribeToEvents])

    async def show(self, seen: Mapping[str, Seen] | None) -> None:
        """Write what changed; None if the agent does not answer. Alarms that change are told."""
        for machine in self._site.machines:
            found = seen.get(machine.name) if seen is not None else None
            if found is None:
                for path in self._paths(machine):
                    await self._write(path, None, _NO_AGENT)
                continue
            for path, value in _values(found).items():
                if path in self._kinds:
                    await self._write(path, value, _NO_VALUE if value is None else ua.StatusCode())
            await self._conditions.show(machine.name, found.outputs)

    def _paths(self, machine: Machine) -> list[str]:
        return [path for path in self._kinds if path.startswith(f"{machine.name}/")]

    async def _machine(self, folder: Node, machine: Machine) -> Node:
        name = machine.name
        node = await folder.add_object(*self._id(name, name))
        for field in _TEXTS:
            await self._variable(node, f"{name}/{field}", field, ua.VariantType.String)
        await self._variable(node, f"{name}/Score", "Score", ua.VariantType.Double)
        await self._variable(node, f"{name}/Alarm", "Alarm", ua.VariantType.Boolean)
        inputs = await node.add_folder(*self._id(f"{name}/Inputs", "Inputs"))
        for entry in machine.inputs:
            made = await self._variable(
                inputs, f"{name}/Inputs/{entry.tag}", entry.tag, ua.VariantType.Double
            )
            await self._units(made, f"{name}/Inputs/{entry.tag}", entry)
        outputs = await node.add_folder(*self._id(f"{name}/Outputs", "Outputs"))
        for output in machine.outputs:
            path = f"{name}/Outputs/{output}"
            made = await outputs.add_object(*self._id(path, output))
            for field in _NUMBERS:
                await self._variable(made, f"{path}/{field}", field, ua.VariantType.Double)
            await self._variable(made, f"{path}/Alarm", "Alarm", ua.VariantType.Boolean)
            condition = ua.NodeId(f"{path}/Condition", self._index)
            await self._conditions.add(machine, output, "alarm", node, condition)
            if output in machine.warned:
                await self._variable(made, f"{path}/Warning", "Warning", ua.VariantType.Boolean)
                condition = ua.NodeId(f"{path}/WarningCondition", self._index)
                await self._conditions.add(machine, output, "warning", node, condition)
        return node

    async def _variable(self, parent: Node, path: str, name: str, kind: ua.VariantType) -> Node:
        node = await parent.add_variable(*self._id(path, name), ua.Variant(_EMPTY[kind], kind), kind)
        self._kinds[path] = kind
        await self._write(path, None, _NO_AGENT)
        return node

    async def _units(self, node: Node, path: str, entry: Input) -> None:
        """Add unit and range as OPC 10000-8, 5.3.2 has them."""
        if entry.unit:
            await node.add_property(
                ua.NodeId(f"{path}/EngineeringUnits", self._index),
                "0:EngineeringUnits",
                units.information(entry.unit),
            )
        if entry.low is not None and entry.high is not None:
            span = ua.Range(Low=entry.low, High=entry.high)
            await node.add_property(ua.NodeId(f"{path}/EURange", self._index), "0:EURange", span)

    async def _write(self, path: str, value: Any, status: ua.StatusCode) -> None:
        if self._shown.get(path) == (value, status):
            return
        self._shown[path] = value, status
        data = ua.DataValue(
            ua.Variant(value, self._kinds[path]) if value is not None else ua.Variant(),
            StatusCode=status,
            SourceTimestamp=datetime.now(UTC),
        )
        await self._server.write_attribute_value(ua.NodeId(path, self._index), data)

    def _id(self, path: str, name: str) -> tuple[ua.NodeId, ua.QualifiedName]:
        return ua.NodeId(path, self._index), ua.QualifiedName(name, self._index)


def _values(seen: Seen) -> dict[str, Any]:
    said: dict[str, Any] = {
        "State": seen.state,
        "Reason": seen.reason,
        "Mode": seen.mode,
        "Bundle": seen.bundle,
        "Score": seen.score,
        "Alarm": seen.alarm,
    }
    said |= {f"Inputs/{tag}": value for tag, value in seen.inputs.items()}
    for output in seen.outputs:
        numbers = {"Score": output.score, "Value": output.value, "Confidence": output.confidence}
        flags = {"Alarm": output.alarm, "Warning": output.warning_state in RAISED}
        for field, value in {**numbers, **flags}.items():
            said[f"Outputs/{output.name}/{field}"] = value
    return {f"{seen.name}/{path}": value for path, value in said.items()}

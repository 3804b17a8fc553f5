"""Where clients of OPC UA for Machinery look: the folder of machines, who made each (OPC 40001-1, 8, 9.2).

Of that specification, and of OPC 10000-100 below it, there are the nodes that this takes, under the NodeIds
that they have there. Their nodesets are not loaded: asyncua refuses a part of that of OPC 10000-100.
"""

from collections.abc import Iterator
from typing import Any

from asyncua import Node, Server, ua

from edge_agent.north.opcua.nameplate import Nameplate

MACHINERY, DEVICES = "http://opcfoundation.org/UA/Machinery/", "http://opcfoundation.org/UA/DI/"
_MACHINES, _ITEM_IDENTIFICATION, _MACHINE_IDENTIFICATION = 1001, 1004, 1012
_MANUFACTURER, _SERIAL_NUMBER, _PRODUCT_INSTANCE_URI, _DEFAULT_NAME = 6002, 6003, 6015, 6030
_FUNCTIONAL_GROUP = 1005


class Machinery:
    """The nodes of one server. `begin`, then `identify` each machine that has a nameplate."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._machinery = self._devices = 0

    async def begin(self) -> Node:
        """Add the types, and the folder of machines; return the folder."""
        self._devices = await self._server.register_namespace(DEVICES)
        self._machinery = await self._server.register_namespace(MACHINERY)
        folder = self._server.get_node(ua.ObjectIds.FolderType)
        group = await folder.add_object_type(*self._of_devices(_FUNCTIONAL_GROUP, "FunctionalGroupType"))
        item = await group.add_object_type(
            *self._own(_ITEM_IDENTIFICATION, "MachineryItemIdentificationType")
        )
        await self._declare(item, _MANUFACTURER, "Manufacturer", ua.LocalizedText())
        await self._declare(item, _SERIAL_NUMBER, "SerialNumber", "")
        machine = await item.add_object_type(*self._own(_MACHINE_IDENTIFICATION, "MachineIdentificationType"))
        await self._declare(machine, _PRODUCT_INSTANCE_URI, "ProductInstanceUri", "")
        default = ua.NodeId(_DEFAULT_NAME, self._machinery)
        await machine.add_property(default, "0:DefaultInstanceBrowseName", self._identification)
        return await self._server.nodes.objects.add_folder(*self._own(_MACHINES, "Machines"))

    async def identify(self, machine: Node, where: ua.NodeId, plate: Nameplate) -> None:
        """Add a machine's nameplate as its add-in, the node `where`."""
        added = ua.AddNodesItem(
            ParentNodeId=machine.nodeid,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasAddIn),
            RequestedNewNodeId=where,
            BrowseName=self._identification,
            NodeClass=ua.NodeClass.Object,
            NodeAttributes=ua.ObjectAttributes(DisplayName=ua.LocalizedText(self._identification.Name)),
            TypeDefinition=ua.NodeId(_MACHINE_IDENTIFICATION, self._machinery),
        )
        (result,) = await self._server.iserver.isession.add_nodes([added])
        result.StatusCode.check()
        made = self._server.get_node(where)
        for index, name, value in self._said(plate):
            place = ua.NodeId(f"{where.Identifier}/{name}", where.NamespaceIndex)
            await made.add_property(place, ua.QualifiedName(name, index), value)

    @property
    def _identification(self) -> ua.QualifiedName:
        return ua.QualifiedName("Identification", self._devices)

    def _said(self, plate: Nameplate) -> Iterator[tuple[int, str, Any]]:
        yield self._devices, "Manufacturer", ua.LocalizedText(plate.manufacturer)
        yield self._devices, "SerialNumber", plate.serial
        yield self._devices, "ProductInstanceUri", plate.uri
        if plate.model:
            yield self._devices, "Model", ua.LocalizedText(plate.model)
        if plate.location:
            yield self._machinery, "Location", plate.location

    async def _declare(self, of: Node, number: int, name: str, empty: Any) -> None:
        """Say in a type that all of it have this property."""
        place = ua.NodeId(number, self._machinery)
        made = await of.add_property(place, ua.QualifiedName(name, self._devices), empty)
        await made.set_modelling_rule(True)

    def _own(self, number: int, name: str) -> tuple[ua.NodeId, ua.QualifiedName]:
        return ua.NodeId(number, self._machinery), ua.QualifiedName(name, self._machinery)

    def _of_devices(self, number: int, name: str) -> tuple[ua.NodeId, ua.QualifiedName]:
        return ua.NodeId(number, self._devices), ua.QualifiedName(name, self._devices)

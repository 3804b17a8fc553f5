"""An OPC UA server in a process of its own: ``python opcua_server.py PORT [NAMESPACE_URI ...]``.

Its nodes are in ``urn:test:plant``, the last namespace it registers, so that other URIs shift the index.
Takes at most `AT_ONCE` nodes in one request, and does not say so. Prints ``ready`` when it answers.
"""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.common.utils import ServiceError
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

AT_ONCE = 40
SCALARS = {
    "Boolean": True,
    "SByte": -5,
    "Byte": 200,
    "Int16": -1234,
    "UInt16": 54321,
    "Int32": -123456,
    "UInt32": 4000000000,
    "Int64": -(2**40),
    "UInt64": 2**40,
    "Float": 1.5,
    "Double": 0.1,
}


class LimitedSession(InternalSession):
    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        if len(params.NodesToRead) > AT_ONCE:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        return await super().read(params)

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        if len(params.NodesToWrite) > AT_ONCE:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        return await super().write(params)


class LimitedServer(InternalServer):
    def create_session(self, name: str, **kwargs: Any) -> InternalSession:
        return LimitedSession(self, self.aspace, self.subscription_service, name, **kwargs)


async def main(port: int, other_namespaces: list[str]) -> None:
    logging.disable(logging.CRITICAL)
    server = Server(LimitedServer())
    await server.init()
    server.iserver.min_session_timeout_ms = 100
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    for uri in other_namespaces:
        await server.register_namespace(uri)
    index = await server.register_namespace("urn:test:plant")
    await add_nodes(server, index)
    async with server:
        print("ready", flush=True)
        await asyncio.Event().wait()


async def add_nodes(server: Server, index: int) -> None:
    async def add(name: str, value: object, kind: ua.VariantType, status: int = ua.StatusCodes.Good) -> None:
        node_id, browse_name = ua.NodeId(name, index), f"{index}:{name}"
        node = await server.nodes.objects.add_variable(node_id, browse_name, ua.Variant(value, kind))
        await node.set_writable()
        if status != ua.StatusCodes.Good:
            data = ua.DataValue(ua.Variant(value, kind), StatusCode=ua.StatusCode(status))
            await server.write_attribute_value(node.nodeid, data)

    for name, value in SCALARS.items():
        await add(name, value, ua.VariantType[name])
    await add("bad", 7.0, ua.VariantType.Double, ua.StatusCodes.BadSensorFailure)
    await add("uncertain", 7.0, ua.VariantType.Double, ua.StatusCodes.UncertainSubNormal)
    await add("last", 7.0, ua.VariantType.Double, ua.StatusCodes.UncertainLastUsableValue)
    await add("cut-off", 7.0, ua.VariantType.Double, ua.StatusCodes.BadNoCommunication)
    await add("exact", 2**53 + 1, ua.VariantType.Int64)
    await add("since", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), ua.VariantType.DateTime)
    await add("named", ua.LocalizedText("läuft"), ua.VariantType.LocalizedText)
    await add("nothing", None, ua.VariantType.Null)
    await add("matrix", [[1, 2], [3, 4]], ua.VariantType.Int32)
    await add_structures(server, index)
    await add("text", "running", ua.VariantType.String)
    await add("array", [1.0, 2.0], ua.VariantType.Double)
    await add("nan", float("nan"), ua.VariantType.Double)
    await server.nodes.objects.add_variable(ua.NodeId("read-only", index), "read-only", 1.0)
    guarded = await server.nodes.objects.add_variable(ua.NodeId("guarded", index), "guarded", 1.0)
    await guarded.set_writable()
    await guarded.unset_attr_bit(ua.AttributeIds.UserAccessLevel, ua.AccessLevel.CurrentWrite)
    word = await server.nodes.base_data_type.get_child("Number")
    word = await (await word.get_child("UInteger")).get_child("UInt16")
    subtype = await word.add_data_type(ua.NodeId(3002, index), "WORD")
    variable = await server.nodes.objects.add_variable(
        ua.NodeId("word", index), "word", ua.Variant(1, ua.VariantType.UInt16), datatype=subtype.nodeid
    )
    await variable.set_writable()


async def add_structures(server: Server, index: int) -> None:
    """Motor {Current: Double, State: enumeration, Axes: Axis[]}, Axis {Name: String, Speed: Float}."""
    await new_enum(server, index, "Mode", ["Off", "On", "Fault"])
    axis, _ = await new_struct(
        server,
        index,
        "Axis",
        [new_struct_field("Name", ua.VariantType.String), new_struct_field("Speed", ua.VariantType.Float)],
    )
    fields = [
        new_struct_field("Current", ua.VariantType.Double),
        new_struct_field("Torque", ua.VariantType.Double, optional=True),
        new_struct_field("Axes", axis, array=True),
    ]
    await new_struct(server, index, "Motor", fields)
    made = await server.load_data_type_definitions()
    axes = [made["Axis"](Name="x", Speed=1.5), made["Axis"](Name="y", Speed=-2.5)]
    motor = made["Motor"](Current=12.5, Torque=None, Axes=axes)
    node = ua.NodeId("motor", index)
    await server.nodes.objects.add_variable(
        node, "motor", ua.Variant(motor, ua.VariantType.ExtensionObject), datatype=made["Motor"].data_type
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))

"""Who made a machine, and which one it is."""

import msgspec


class Nameplate(msgspec.Struct, frozen=True, kw_only=True):
    """``[opcua-server.nameplate.MACHINE]`` (OPC 40001-1, 8.3 and 8.6).

    `uri` is the ProductInstanceUri: one for this machine in the whole world, given by its maker.
    """

    manufacturer: str
    serial: str
    uri: str
    model: str = ""
    location: str = ""

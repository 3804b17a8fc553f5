"""The PLC's memory over Modbus TCP and RTU, unit 1."""

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.plant.registers import COIL, DISCRETE, HOLDING, INPUT, PLAYBACK_COLUMNS, POINTS, UNIT
from edge_agent.plant.station import IllegalValue, Station

_TABLE_OF_FUNCTION = {
    1: COIL,
    5: COIL,
    15: COIL,
    2: DISCRETE,
    3: HOLDING,
    6: HOLDING,
    16: HOLDING,
    22: HOLDING,
    23: HOLDING,
    4: INPUT,
}


def tcp_server(station: Station, host: str, port: int) -> ModbusTcpServer:
    """Return a Modbus TCP server, not yet listening."""
    return ModbusTcpServer(context=[_device(station)], address=(host, port))


def serial_server(station: Station, port: str) -> ModbusSerialServer:
    """Return a Modbus RTU server on a serial port, 115200 8N1, not yet listening."""
    return ModbusSerialServer(context=[_device(station)], port=port, baudrate=115200, framer=FramerType.RTU)


def _device(station: Station) -> SimDevice:
    """Return what reads and writes the station's memory."""

    async def access(  # noqa: PLR0917 - pymodbus calls it by position
        function: int,
        start: int,
        address: int,
        count: int,
        cells: list[int],
        new: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        table = _TABLE_OF_FUNCTION[function]
        if table in {COIL, DISCRETE}:
            if new is not None:
                return ExcCodes.ILLEGAL_ADDRESS
            cells[0] = sum(bit << i for i, bit in enumerate(station.memory.tables[table]))
            return None
        if new is None:
            cells[address - start : address - start + count] = station.memory.tables[table][
                address : address + count
            ]
            return None
        try:
            station.write(table, address, [int(word) for word in new])
        except IllegalValue:
            return ExcCodes.ILLEGAL_VALUE
        return None

    shape = ([_bits(COIL)], [_bits(DISCRETE)], _registers(HOLDING), _registers(INPUT))
    return SimDevice(UNIT, simdata=shape, action=access)


def _bits(table: str) -> SimData:
    size = sum(point.words for point in POINTS if point.table == table)
    return SimData(0, values=[False] * size, datatype=DataType.BITS)


def _registers(table: str) -> list[SimData]:
    """Return the addresses that exist; the gaps between them answer with exception 2."""
    used = {a for p in POINTS if p.table == table for a in range(p.address, p.address + p.words)}
    if table == INPUT:
        used |= set(range(2 * PLAYBACK_COLUMNS))
    return [SimData(address, datatype=DataType.REGISTERS) for address in sorted(used)]

"""A serial line: opened by pyserial, then read and written by the event loop."""

import asyncio
import errno
import os
from contextlib import suppress
from dataclasses import dataclass

import serial

from edge_agent.drivers.modbus.wires import Listener, Wire
from edge_agent.drivers.modbus.wires.system import reason, waiting

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_MOST_UNSENT = 4096


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial port. It is locked: two programs on one line would take each other's answers."""

    path: str
    baud: int
    parity: str
    stop_bits: int
    data_bits: int = 8

    def __str__(self) -> str:
        return self.path

    async def open(self, listener: Listener, timeout: float) -> Wire:  # noqa: ARG002 - it never waits
        """Open and lock the port and throw away what it has received. Raises OSError."""
        try:
            port = serial.Serial(
                self.path,
                self.baud,
                bytesize=self.data_bits,
                parity=_PARITY[self.parity],
                stopbits=self.stop_bits,
                timeout=0,
                exclusive=True,
            )
            port.reset_input_buffer()
        except serial.SerialException as error:
            if error.errno == errno.EAGAIN:
                raise OSError(f"{self.path} is locked by another program") from None
            if error.errno is not None:
                raise OSError(error.errno, f"{self.path}: {os.strerror(error.errno)}") from None
            raise OSError(f"{self.path}: {error}") from None
        return _Line(port, listener)


class _Line:
    def __init__(self, port: serial.Serial, listener: Listener) -> None:
        self._port, self._listener = port, listener
        self._fd = port.fileno()
        self._unsent = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def send(self, data: bytes) -> None:
        if self._unsent:
            self._unsent += data
        else:
            self._unsent = data
            self._writable()

    def unread(self) -> bool:
        return waiting(self._fd)

    def close(self) -> None:
        if self._port.is_open:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            with suppress(OSError):  # a device that was unplugged cannot be asked to flush
                self._port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(reason(error))
            return
        if data:
            self._listener.received(data)
        else:
            self._lost("unplugged")

    def _writable(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._fd, self._unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(reason(error))
            return
        if len(self._unsent) > _MOST_UNSENT:
            self._lost("the port takes nothing any more")
        elif self._unsent:
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._loop.remove_writer(self._fd)

    def _lost(self, why: str) -> None:
        self.close()
        self._listener.lost(why)

"""A connection to the plant's broker, the patience to make it again, and what aiomqtt leaves to be done."""

import asyncio
import random

from aiomqtt import Client, MqttError, ProtocolVersion, Will
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.config.north import MqttTable
from edge_agent.north.mqtt import secure

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between attempts; the wait doubles, and half of it is random: all gateways come back at once."""
DEADLINE = 10.0
"""Seconds that the broker may take to answer."""
MOST_QUEUED = 100
_LOOK = 0.1


def connection(
    table: MqttTable, identifier: str, will: Will | None = None, *, largest: int = 0, most: int = MOST_QUEUED
) -> Client:
    """Make a client that is not connected yet. Raises `NoCredential`.

    With `largest` it asks the broker not to send packets of more bytes, which takes MQTT 5.0 (3.1.2.11.4).
    Beyond `most` messages that nobody has looked at yet, further ones are lost.
    """
    login = secure.login(table)
    properties = Properties(PacketTypes.CONNECT) if largest else None  # type: ignore[no-untyped-call]
    if properties is not None:
        properties.MaximumPacketSize = largest
    return Client(
        table.host,
        table.port,
        username=login.name,
        password=login.password,
        identifier=identifier,
        will=will,
        protocol=ProtocolVersion.V5 if largest else ProtocolVersion.V311,
        clean_session=None if largest else True,
        properties=properties,
        tls_context=secure.context(table),
        timeout=DEADLINE,
        keepalive=round(table.keepalive),
        max_queued_incoming_messages=most,
    )


class Patience:
    """How long to wait before the next attempt."""

    def __init__(self) -> None:
        self._wait = 0.0

    def after(self, lasted: float) -> float:
        """Return the seconds to wait after a connection, or the attempt at one, that lasted so long."""
        again = lasted > LONGEST_WAIT or not self._wait
        self._wait = FIRST_WAIT if again else min(2 * self._wait, LONGEST_WAIT)
        return self._wait * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret


async def ended_by(client: Client) -> str:
    """Return why a connection ended, where it was not we who ended it.

    Has to be asked for: aiomqtt keeps it in a future that complains if nobody looks.
    """
    try:
        async with asyncio.timeout(_LOOK):
            await anext(client.messages)
    except MqttError as error:
        return f": {error.__cause__}" if error.__cause__ else ""
    except TimeoutError:
        pass
    return ""


def heed_cancel() -> None:
    """End a task that was cancelled: `asyncio.wait_for` before Python 3.12, in aiomqtt, may swallow that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def first_of(group: BaseExceptionGroup[BaseException]) -> str:
    """Return what the first exception of a group says."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__

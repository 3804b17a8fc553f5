"""Whether the broker of ``[mqtt]`` answers, and is the one that it should be."""

import asyncio

from edge_agent.config.north import MqttTable
from edge_agent.credentials import NoCredential
from edge_agent.doctor.finding import Finding, bad, warn, well
from edge_agent.north.mqtt.secure import context

DEADLINE = 5.0


def broker(table: MqttTable) -> Finding:
    """Connect to the broker's port, with TLS where it is asked for, and log in nowhere."""
    says = f"{table.host}:{table.port}"
    try:
        asyncio.run(_connect(table))
    except NoCredential as error:
        return warn(
            "mqtt broker", f"{says}: {error}", "run it as the service does, or look at LoadCredential="
        )
    except TimeoutError:
        return bad(
            "mqtt broker", f"{says}: no answer in {DEADLINE:g} s", "name, port, firewall; results wait"
        )
    except OSError as error:
        why = "nobody listens" if isinstance(error, ConnectionRefusedError) else error.strerror or error
        return bad("mqtt broker", f"{says}: {why}", "results wait until it answers")
    return well("mqtt broker", f"{says} answers" + (", its certificate is trusted" if table.tls else ""))


async def _connect(table: MqttTable) -> None:
    async with asyncio.timeout(DEADLINE):
        _, writer = await asyncio.open_connection(table.host, table.port, ssl=context(table))
        writer.close()
        await writer.wait_closed()

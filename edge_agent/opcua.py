"""From what a configuration says of an OPC UA device to its driver. Imports asyncua."""

import logging
from pathlib import Path

from edge_agent.config.tables import OpcUaTable
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.security import Security

# What it retries and what it cannot read is not for people: what matters is told by the driver.
logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)


def opcua(table: OpcUaTable) -> OpcUa:
    """Return the driver of an OPC UA device."""
    return OpcUa(
        table.url,
        table.timeout,
        security_of(table),
        expiry=table.session_timeout,
        clock_tolerance=table.clock_tolerance,
    )


def security_of(table: OpcUaTable) -> Security | None:
    """Return what secures the device's sessions, None if the configuration says that nothing does."""
    if table.security == "none":
        return None
    return Security(Path(table.pki), table.security, table.policy, table.login, table.verify_host)

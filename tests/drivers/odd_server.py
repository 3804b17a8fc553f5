"""A server that is odd in all that servers in plants are odd in: `conftest.odd`."""

from pathlib import Path

from node_opcua import NodeServer

AHEAD, SLOW = 120.0, 3.0
"""Seconds that its clock is ahead, and that it takes to read ``Slow``."""
LIMITS = {
    "maxNodesPerRead": 2,
    "maxNodesPerWrite": 2,
    "maxNodesPerBrowse": 3,
    "maxNodesPerTranslateBrowsePathsToNodeIds": 2,
    "maxMonitoredItemsPerCall": 2,
}


def odd_server(folder: Path, port: int) -> NodeServer:
    """It has one session, and of each request it takes a few nodes, which it does not tell."""
    odd = {"ahead": AHEAD, "slow": 1000 * SLOW, "maxSessions": 1, "limits": LIMITS, "silent": True}
    return NodeServer(folder, port, count=3, **odd)

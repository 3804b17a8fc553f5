"""Files that no order names any more, and orders for gateways that are no more, taken off the broker.

An empty retained message takes the one before away (MQTT 5.0, 3.3.1.3).
"""

from collections.abc import Sequence

from edge_agent.fleet.documents import BadDocument, Command, Desired, Envelope, decoded
from edge_agent.fleet.office import Office
from edge_agent.fleet.pieces import Index


async def withdraw(office: Office, only: Sequence[str]) -> list[str]:
    """Clear every file that is named by no order, or only those of these SHA-256; return a line for each.

    Raises MqttError.
    """
    wanted = _wanted(await office.kept("desired", "#"))
    indexes = {
        where.split("/")[-2]: data for where, data in (await office.kept("file", "+", "index")).items()
    }
    said = [f"{sha256}: the broker has no such file" for sha256 in only if sha256 not in indexes]
    for sha256 in sorted(only or indexes):
        if sha256 not in indexes:
            continue
        if gateways := wanted.get(sha256):
            some = ", ".join(gateways[:5]) + (" ..." if len(gateways) > 5 else "")
            said.append(f"{sha256}: kept, {len(gateways)} gateways are to run it: {some}")
            continue
        try:
            index = decoded(indexes[sha256], Index)
        except BadDocument as error:
            said.append(f"{sha256}: kept, because {error}")
            continue
        for number in range(len(index.pieces)):
            await office.clear("file", sha256, number)
        await office.clear("file", sha256, "index")
        said.append(f"{sha256}: withdrawn, {index.size / 1e6:.1f} MB")
    return said


async def forget(office: Office, gateways: Sequence[str]) -> list[str]:
    """Clear orders and reports of gateways that are no more; return a line for each. Raises MqttError."""
    said = []
    for gateway in gateways:
        orders = await office.kept("desired", gateway, "#")
        for where in orders:
            await office.clear(*where.split("/")[2:])
        await office.clear("reported", gateway)
        said.append(f"{gateway}: {len(orders)} orders and its report are cleared")
    return said


def _wanted(orders: dict[str, bytes]) -> dict[str, list[str]]:
    """Return by SHA-256 which gateways have an order for a file. It is they who check signatures."""
    found: dict[str, list[str]] = {}
    for data in orders.values():
        try:
            desired = decoded(decoded(data, Envelope).body, Desired)
        except BadDocument:
            continue
        if not isinstance(desired.what, Command):
            found.setdefault(desired.what.file.sha256, []).append(desired.gateway)
    return found

"""A command in the office: connected to the plant's broker, and which gateways are meant."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edge_agent.commands.shared import BAD_CONFIGURATION, fail

if TYPE_CHECKING:
    from edge_agent.config.north import MqttTable
    from edge_agent.fleet.office import Office

T = TypeVar("T")


def chosen(office: "Office", groups: str, gateways: str, exclude: str = "") -> list[str]:
    """Return the gateways that have reported, of these groups and of these names if any are given.

    Those of `exclude` are left out.
    """
    in_groups, named, out = _names(groups), _names(gateways), _names(exclude)
    if missing := sorted((named | out) - office.reports.keys()):
        fail(f"no gateway {', '.join(missing)} has reported at this broker")
    found = [
        report.gateway
        for report in office.reports.values()
        if (not in_groups or report.group in in_groups)
        and (not named or report.gateway in named)
        and report.gateway not in out
    ]
    if not found:
        fail(f"no gateway {f'of {groups} ' if groups else ''}has reported at this broker")
    return found


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


def at(broker: Path, do: Callable[["Office"], Awaitable[T]]) -> T:
    """Do something while connected to the broker. Ends the process with one line if that fails."""
    from edge_agent.fleet.office import Office  # noqa: PLC0415 - each command imports what it needs

    async def connected() -> T:
        async with Office.connected(_mqtt(broker)) as office:
            return await do(office)

    with _failing():
        return asyncio.run(connected())


def _mqtt(file: Path) -> "MqttTable":
    """Read the broker's section of a file that needs no more than that."""
    from edge_agent.config.north import broker_of  # noqa: PLC0415

    return broker_of(file)


@contextmanager
def _failing() -> Iterator[None]:
    from aiomqtt import MqttError  # noqa: PLC0415

    from edge_agent.bundle import BundleError  # noqa: PLC0415
    from edge_agent.config.fields import ConfigError  # noqa: PLC0415
    from edge_agent.credentials import NoCredential  # noqa: PLC0415
    from edge_agent.fleet.documents import BadDocument  # noqa: PLC0415
    from edge_agent.fleet.stages import BadStages  # noqa: PLC0415
    from edge_agent.trust import BadKey  # noqa: PLC0415

    try:
        yield
    except ConfigError as error:
        fail("\n".join(error.errors), BAD_CONFIGURATION)
    except (BundleError, BadDocument, BadKey, BadStages, NoCredential) as error:
        fail(str(error))
    except MqttError as error:
        fail(f"the broker: {error}")

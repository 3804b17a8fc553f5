"""From what a server says of its nodes to columns of tags: numbers, exact values, quality and reason."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from asyncua import ua

from edge_agent.core.tags import Bytes, Columns, Floats, Grader, Nanoseconds, Reason, Tag
from edge_agent.drivers.opcua.address import NodeAddress
from edge_agent.drivers.opcua.datatypes import Described
from edge_agent.drivers.opcua.status import name
from edge_agent.drivers.opcua.structures import Decoder, NoSuchField, pick
from edge_agent.drivers.opcua.wire import Values

EXACT = 2**53
"""The largest integer up to which a float64 holds every one."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_1970 = 116_444_736_000_000_000  # in 100 ns since 1601
_REASONS = {
    ua.StatusCodes.UncertainLastUsableValue: Reason.STALE,
    ua.StatusCodes.BadWaitingForInitialData: Reason.NEVER_READ,
    ua.StatusCodes.BadNoCommunication: Reason.NO_LINK,
    ua.StatusCodes.BadNotConnected: Reason.NO_LINK,
    ua.StatusCodes.BadCommunicationError: Reason.NO_LINK,
    ua.StatusCodes.BadTimeout: Reason.TIMEOUT,
}
"""Sub-codes that say more than good, uncertain or bad. A last usable value is an old value."""

Statuses = npt.NDArray[np.uint32]


class Reader:
    """Turns the values of a scan class into columns. Planned once.

    `complain` is told, in words, what a tag's value is that is no number.
    """

    def __init__(self, tags: Sequence[Tag], complain: Callable[[str], None]) -> None:
        self._tags = tags
        self._grader = Grader(list(tags))
        self._fields = [tag.address.field for tag in tags if isinstance(tag.address, NodeAddress)]
        self._complain = complain

    def columns(self, values: Values, described: Described, at: int | Nanoseconds) -> Columns:
        """Grade one value a tag; `at` is monotonic, in ns."""
        status = np.array(values.status, np.uint32)
        reason = reasons(status)
        exact: dict[int, int | str] = {}
        raw = values.raw
        try:
            number = np.array(raw, np.float64)
            plain = not any(self._fields) and np.isfinite(number).all() and (np.abs(number) < EXACT).all()
        except (TypeError, ValueError, OverflowError):
            number, plain = np.zeros(len(raw)), False
        if not plain:
            for row, value in enumerate(raw):
                if reason[row] in (Reason.NONE, Reason.DEVICE_UNCERTAIN):
                    number[row], why = self._number(row, value, described.decoders.get(row), exact)
                    if why:
                        reason[row] = why
        graded = self._grader.grade(number, reason, at, exact)
        said = {row: name(values.status[row]) for row in np.flatnonzero(status >> 16).tolist()}
        source, server = _since_1970(values.source), _since_1970(values.server)
        labels = _labels(graded.value, described)
        return replace(graded, said=said, source=source, server=server, labels=labels)

    def _number(
        self, row: int, value: Any, decoder: Decoder | None, exact: dict[int, int | str]
    ) -> tuple[float, Reason]:
        try:
            value = plain(pick(value, self._fields[row], decoder))
        except NoSuchField as error:
            return self._no_number(row, str(error))
        match value:
            case None:
                found = math.nan, Reason.NO_VALUE
            case int() if abs(value) > EXACT:
                exact[row] = value
                found = float(value), Reason.NONE if int(float(value)) == value else Reason.ROUNDED
            case int() | float():
                found = float(value), Reason.NONE
            case str():
                exact[row] = value
                found = float(len(value)), Reason.NONE
            case datetime():
                exact[row] = value.isoformat()
                found = (value - _EPOCH).total_seconds(), Reason.NONE
            case _:
                found = self._no_number(row, f"is not a number but {_kind(value)}")
        return found

    def _no_number(self, row: int, what: str) -> tuple[float, Reason]:
        tag = self._tags[row]
        self._complain(f"{tag.name} ({tag.address}) {what}")
        return math.nan, Reason.UNDECODABLE


def reasons(status: Statuses) -> Bytes:
    """Return the reason of each StatusCode (Part 4, 7.39)."""
    reason = np.zeros(len(status), np.uint8)
    if status.any():
        reason[status >> 30 == 1] = Reason.DEVICE_UNCERTAIN
        reason[status >> 31 == 1] = Reason.DEVICE_REFUSED
        code = status & np.uint32(0xFFFF_0000)
        for sub_code, why in _REASONS.items():
            reason[code == sub_code] = why
    return reason


def _labels(value: Floats, described: Described) -> dict[int, str]:
    return {row: names[number] for row, names in described.names.items() if (number := value[row]) in names}


def _since_1970(times: Sequence[int]) -> Nanoseconds:
    """Return ns since 1970 of times in 100 ns since 1601 (Part 6, 5.2.2.5); 0 stays 0."""
    time = np.array(times, np.int64)
    return np.where(time > 0, (time - _1970) * 100, 0)


def plain(value: Any) -> Any:
    """Return what a Variant or a LocalizedText holds."""
    if isinstance(value, ua.Variant):
        value = value.Value
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    return value


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "an array; say which element, such as field [0]"
    if isinstance(value, dict | ua.ExtensionObject):
        return "a structure; say which field"
    return type(value).__name__

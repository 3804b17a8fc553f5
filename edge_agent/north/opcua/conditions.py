"""Alarms as conditions of OPC 10000-9: told when they change, told again on request, acknowledged by users.

One condition for each output of a machine, and one for its warning if it has one. Each is told from the
machine, from the folder of machines, and from the Server object, where most clients listen.
"""

import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Literal

from asyncua import Node, Server, ua

from edge_agent.north.alarms import RAISED, WAITING
from edge_agent.north.opcua.access import Operator
from edge_agent.north.opcua.site import Machine, Output

What = Literal["acknowledge", "comment"]
Level = Literal["alarm", "warning"]
Ask = Callable[[What, str, str, str, str], Awaitable[str | None]]
"""Ask the agent: what, of which machine and output, with which comment, by whom. The answer is why it was
refused, "" if it was not, None if there was none."""

_NORMAL = 100
"""The severity of what is over."""
_REMEMBERED = 32
"""Events of a condition that can be acknowledged; of those before nobody has an open list any more."""
_SERVER = ua.NodeId(ua.ObjectIds.Server)
_GOOD, _TIMEOUT = int(ua.StatusCodes.Good), int(ua.StatusCodes.BadTimeout)
_INVALID_STATE = int(ua.StatusCodes.BadInvalidState)
_NO_SUBSCRIPTION = int(ua.StatusCodes.BadSubscriptionIdInvalid)
_NO_ITEM = int(ua.StatusCodes.BadMonitoredItemIdInvalid)


class Condition:
    """The alarm or the warning of one output. `event` is what was told of it last."""

    def __init__(self, machine: Machine, output: str, level: Level, source: ua.NodeId, event: Any) -> None:
        self.machine, self.output, self.level = machine.name, output, level
        self.source, self.event, self._severity = source, event, machine.severity[level]
        self.state = "NORMAL"
        self.events: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._set(None)

    def take(self, output: Output) -> bool:
        """Take what the output says; return whether the alarm changed."""
        state = output.alarm_state if self.level == "alarm" else output.warning_state
        if state == self.state:
            return False
        if state in WAITING and self.state not in WAITING:
            self.events.clear()
        self.state = state
        self._set(output.score)
        return True

    @property
    def waits(self) -> bool:
        """Whether it waits for an acknowledgement."""
        return self.state in WAITING

    def _set(self, score: float | None) -> None:
        event, raised = self.event, self.state in RAISED
        said = "no score" if score is None else f"score {score:.4g}"
        word = "shelved" if self.state == "SHELVED" else "raised" if raised else "over"
        event.Message = ua.LocalizedText(f"{self.machine}: {self.level} of {self.output} {word}, {said}")
        event.Severity = self._severity if raised else _NORMAL
        event.Retain = raised or self.waits
        event.SuppressedOrShelved = self.state == "SHELVED"
        for name, holds, words in (
            ("EnabledState", True, ("Enabled", "Disabled")),
            ("ActiveState", raised, ("Active", "Inactive")),
            ("AckedState", not self.waits, ("Acknowledged", "Unacknowledged")),
        ):
            setattr(event, name, ua.LocalizedText(words[0] if holds else words[1]))
            setattr(event, f"{name}/Id", holds)


class Conditions:
    """All conditions of a server, and the methods that clients call of them.

    `notifiers` are who tells of every condition.
    """

    def __init__(self, server: Server, ask: Ask) -> None:
        self._server, self._ask = server, ask
        self._by_id: dict[ua.NodeId, Condition] = {}
        self._of: dict[str, list[Condition]] = {}
        self._frame: list[Any] = []
        self.notifiers = [_SERVER]

    async def begin(self) -> None:
        """Make what surrounds a refresh. Before any condition is added."""
        for kind in (ua.ObjectIds.RefreshStartEventType, ua.ObjectIds.RefreshEndEventType):
            self._frame.append((await self._server.get_event_generator(kind, _SERVER)).event)

    async def add(
        self, machine: Machine, output: str, level: Level, source: Node, node_id: ua.NodeId
    ) -> None:
        """Add the condition of an output (OPC 10000-9, 5.8.2)."""
        event = (await self._server.get_event_generator(ua.ObjectIds.AlarmConditionType, source)).event
        event.NodeId, event.BranchId = node_id, ua.NodeId()
        event.ConditionName = output if level == "alarm" else f"{output} warning"
        event.SourceName = machine.name
        event.ConditionClassId = ua.NodeId(ua.ObjectIds.ProcessConditionClassType)
        event.ConditionClassName = ua.LocalizedText("ProcessConditionClassType")
        event.Quality = ua.StatusCode()
        self._by_id[node_id] = made = Condition(machine, output, level, source.nodeid, event)
        self._of.setdefault(machine.name, []).append(made)

    async def show(self, machine: str, outputs: list[Output]) -> None:
        """Tell of the alarms of a machine that changed."""
        said = {output.name: output for output in outputs}
        for condition in self._of.get(machine, ()):
            if condition.output in said and condition.take(said[condition.output]):
                await self._tell(condition)

    async def call(
        self, request: ua.CallMethodRequest, user: Any, session: ua.NodeId
    ) -> ua.StatusCode | None:
        """Do what a client calls, None if it is no method of ours."""
        arguments = [argument.Value for argument in request.InputArguments or []]
        match request.MethodId.Identifier if request.MethodId.NamespaceIndex == 0 else None:
            case ua.ObjectIds.ConditionType_ConditionRefresh | ua.ObjectIds.ConditionType_ConditionRefresh2:
                status = await self._refresh(session, arguments)
            case ua.ObjectIds.AcknowledgeableConditionType_Acknowledge:
                status = await self._said("acknowledge", request.ObjectId, arguments, user)
            case ua.ObjectIds.ConditionType_AddComment:
                status = await self._said("comment", request.ObjectId, arguments, user)
            case _:
                return None
        return ua.StatusCode(status)

    async def _said(self, what: What, node: ua.NodeId, arguments: list[Any], user: Any) -> int:
        """Acknowledge (OPC 10000-9, 5.7.3) or AddComment (5.5.6)."""
        condition = self._by_id.get(node)
        wrong = _objection(what, condition, arguments, user)
        if condition is None or wrong:
            return wrong
        comment, name = arguments[1], user.name or ""
        text = comment.Text or "" if comment else ""
        refused = await self._ask(what, condition.machine, condition.output, text, name)
        if refused is None:
            return _TIMEOUT
        if refused:
            return _INVALID_STATE
        condition.event.ClientUserId = name
        if text:  # null leaves the comment as it is (5.5.6)
            condition.event.Comment = comment
        if what == "comment":
            await self._tell(condition)
        return _GOOD

    async def _refresh(self, session: ua.NodeId, arguments: list[Any]) -> int:
        """ConditionRefresh (OPC 10000-9, 5.5.7) or, with an item, ConditionRefresh2 (5.5.8)."""
        number, *item = arguments or [None]
        subscription = self._server.iserver.subscription_service.subscriptions.get(number)
        if subscription is None or subscription.session_id != session:
            return _NO_SUBSCRIPTION
        items = subscription.monitored_item_srv._monitored_items  # noqa: SLF001 - nothing else names them
        if item and item[0] not in items:
            return _NO_ITEM
        for one in item or list(items):
            await self._refresh_item(subscription.monitored_item_srv, one, items[one])
        return _GOOD

    async def _refresh_item(self, service: Any, number: int, item: Any) -> None:
        if item.read_value_id.AttributeId != ua.AttributeIds.EventNotifier:
            return
        notifier, (start, end) = item.read_value_id.NodeId, self._frame
        kept = [
            condition.event
            for condition in self._by_id.values()
            if condition.event.Retain and notifier in (*self.notifiers, condition.source)
        ]
        for event in (_stamped(start), *kept, _stamped(end)):
            event.emitting_node = notifier
            await service.trigger_event(event, number)

    async def _tell(self, condition: Condition) -> None:
        condition.events.append(_stamped(condition.event).EventId)
        for notifier in (condition.source, *self.notifiers):
            condition.event.emitting_node = notifier
            await self._server.iserver.subscription_service.trigger_event(condition.event)


def _stamped(event: Any) -> Any:
    """Give an event an id and a time of its own; return it."""
    event.EventId = uuid.uuid4().bytes
    event.Time = event.ReceiveTime = datetime.now(UTC)
    local = time.localtime(event.Time.timestamp())
    event.LocalTime = ua.TimeZoneDataType(local.tm_gmtoff // 60, local.tm_isdst > 0)
    return event


def _objection(what: What, condition: Condition | None, arguments: list[Any], user: Any) -> int:
    """Return the status of what is wrong with a call, 0 if nothing is."""
    codes = ua.StatusCodes
    match arguments:
        case [bytes() as event, ua.LocalizedText() | None]:
            wrong = 0 if condition and event in condition.events else codes.BadEventIdUnknown
        case _:
            wrong = codes.BadInvalidArgument
    if not isinstance(user, Operator):
        wrong = codes.BadUserAccessDenied
    elif condition is None:
        wrong = codes.BadNodeIdUnknown
    elif not wrong and what == "acknowledge" and not condition.waits:
        wrong = codes.BadConditionBranchAlreadyAcked
    return int(wrong)

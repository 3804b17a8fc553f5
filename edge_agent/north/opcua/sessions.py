"""What clients get beyond asyncua: methods that know who calls, and filters of events by their types."""

from collections.abc import Awaitable, Callable
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.monitored_item_service import WhereClauseEvaluator

_ALARM = ua.ObjectIds.AlarmConditionType
_TYPES = {
    _ALARM,
    ua.ObjectIds.AcknowledgeableConditionType,
    ua.ObjectIds.ConditionType,
    ua.ObjectIds.BaseEventType,
}
"""What an alarm is an instance of (OPC 10000-9, 5.8.2)."""
_FRAME = {ua.ObjectIds.RefreshStartEventType, ua.ObjectIds.RefreshEndEventType}
"""Told whatever a filter says (OPC 10000-9, 4.5)."""
Call = Callable[[ua.CallMethodRequest, Any, ua.NodeId], Awaitable[ua.StatusCode | None]]
"""Do what is called by a user in a session; None if it is nothing that we know."""

_NOBODY = User(role=UserRole.Anonymous)


class CallingServer(InternalServer):  # type: ignore[misc] # asyncua is not typed for us
    """A server whose method calls go to `on_call`, and to asyncua only if that does not know them."""

    on_call: Call

    def create_session(self, name: str, user: User = _NOBODY, external: bool = False) -> InternalSession:
        """Return a session of ours."""
        return CallingSession(
            self, self.aspace, self.subscription_service, name, user=user, external=external
        )


class CallingSession(InternalSession):  # type: ignore[misc] # asyncua is not typed for us
    """One client's."""

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        """Create items; those of events are filtered as `Where` does."""
        results: list[ua.MonitoredItemCreateResult] = await super().create_monitored_items(params)
        subscription = self.subscription_service.subscriptions.get(params.SubscriptionId)
        items = subscription.monitored_item_srv._monitored_items if subscription else {}  # noqa: SLF001
        for result in results:
            item = items.get(result.MonitoredItemId)
            if item is not None and item.where_clause_evaluator is not None:
                clause = item.filter.WhereClause
                item.where_clause_evaluator = Where(self.logger, self.aspace, clause)
        return results

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        """Answer each call, in order (OPC 10000-4, 5.12.2)."""
        results = []
        for request in params:
            status = await self.iserver.on_call(request, self.user, self.session_id)
            if status is None:
                results += await super().call([request])
            else:
                good = [ua.StatusCode() for _ in request.InputArguments or []]
                results.append(ua.CallMethodResult(StatusCode=status, InputArgumentResults=good))
        return results


class Where(WhereClauseEvaluator):  # type: ignore[misc] # asyncua is not typed for us
    """A filter in which a type stands for its subtypes, too (OPC 10000-4, 7.7.3)."""

    def eval(self, event: Any) -> bool:
        """Return whether an event is to be told."""
        return event.EventType.Identifier in _FRAME or bool(super().eval(event))

    def _eval_el(self, index: int, event: Any) -> Any:
        element = self.elements[index]
        if element.FilterOperator == ua.FilterOperator.OfType and event.EventType.Identifier == _ALARM:
            wanted = self._eval_op(element.FilterOperands[0], event)
            return wanted.NamespaceIndex == 0 and wanted.Identifier in _TYPES
        return super()._eval_el(index, event)

"""Sessions that know who calls a method: asyncua tells its methods neither the user nor the session."""

from collections.abc import Awaitable, Callable
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

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

"""What leads where on a server: the services Browse and BrowseNext, in as many requests as it takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import breaking
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session

AT_ONCE = 100
"""Nodes in one Browse where the server allows as many: each may have many references."""
_LIMIT = ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse)


@dataclass(frozen=True, slots=True)
class Leading:
    """The references of one node; `status` is why they are not told, if they are not."""

    references: list[ua.ReferenceDescription]
    status: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """Which references are asked for: of a type or its subtypes, to nodes of `classes`, 0 for any."""

    type: int
    forward: bool = True
    classes: int = 0


class References:
    """Asks one session. The server tells how much it takes at once, or it is found out."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._at_once: int | None = None

    async def of(self, nodes: Sequence[ua.NodeId], kind: Kind) -> dict[ua.NodeId, Leading]:
        """Return the references of each node (Part 4, 5.9.2). Raises `LinkDown`."""
        if self._at_once is None:
            [limit] = await self._session.read([attribute(_LIMIT)])
            self._at_once = min(AT_ONCE, limit.Value.Value or AT_ONCE)
        found: dict[ua.NodeId, Leading] = {}
        waiting = list(dict.fromkeys(nodes))
        while waiting:
            part = waiting[: self._at_once]
            answers = await self._browse(part, kind)
            found |= {node: leading for node, leading in zip(part, answers, strict=True) if leading}
            again = [node for node in part if node not in found]
            if again:
                self._at_once = len(part) // 2
            waiting = again + waiting[len(part) :]
        return found

    async def _browse(self, nodes: Sequence[ua.NodeId], kind: Kind) -> list[Leading | None]:
        """Ask at once; None for a node that has to be asked again, with fewer others."""
        direction = ua.BrowseDirection.Forward if kind.forward else ua.BrowseDirection.Inverse
        asked = [
            ua.BrowseDescription(
                NodeId=node,
                BrowseDirection=direction,
                ReferenceTypeId=ua.NodeId(kind.type),
                IncludeSubtypes=True,
                NodeClassMask=kind.classes,
                ResultMask=ua.BrowseResultMask.All,
            )
            for node in nodes
        ]
        request = ua.BrowseRequest()
        request.Parameters = ua.BrowseParameters(RequestedMaxReferencesPerNode=0, NodesToBrowse=asked)
        with breaking(self._session.url):
            try:
                answer = await self._session.request(request)
            except ua.uaerrors.BadTooManyOperations:
                if len(nodes) == 1:
                    raise
                return [None] * len(nodes)
            results = self._all(struct_from_binary(ua.BrowseResponse, answer).Results, len(nodes))
        full = ua.StatusCodes.BadNoContinuationPoints if len(nodes) > 1 else None
        return [None if one.StatusCode.value == full else await self._whole(one) for one in results]

    async def _whole(self, result: ua.BrowseResult) -> Leading:
        """Follow a continuation point to its end (Part 4, 5.9.3)."""
        references = list(result.References or [])
        while result.ContinuationPoint:
            request = ua.BrowseNextRequest()
            request.Parameters = ua.BrowseNextParameters(
                ReleaseContinuationPoints=False, ContinuationPoints=[result.ContinuationPoint]
            )
            with breaking(self._session.url):
                answer = struct_from_binary(ua.BrowseNextResponse, await self._session.request(request))
                [result] = self._all(answer.Parameters.Results, 1)
            references += result.References or []
        return Leading(references, "" if result.StatusCode.is_good() else str(result.StatusCode.name))

    def _all(self, results: list[ua.BrowseResult], count: int) -> list[ua.BrowseResult]:
        if len(results) != count:
            raise LinkDown(f"{self._session.url} gave {len(results)} answers for {count} nodes")
        return results

"""The server may only tell what it was asked to tell: requests to publish that are always with it."""

import asyncio
from collections.abc import Callable, Sequence

from asyncua import ua

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import breaking
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.subscription import SILENCE, Subscription
from edge_agent.drivers.opcua.wire import publish_response


class Publisher:
    """Keeps PublishRequests with the server for all subscriptions of a session (Part 4, 5.13.5)."""

    def __init__(
        self,
        session: Session,
        subscriptions: Sequence[Subscription],
        timeout: float,
        on_lost: Callable[[LinkDown], None] | None,
    ) -> None:
        self._session, self._timeout, self._on_lost = session, timeout, on_lost
        self._of: dict[int, Subscription] = {}
        self._patience = self._patience_for(subscriptions)
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self.failed: LinkDown | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.add(subscriptions)

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Publish for more subscriptions.

        Raises `LinkDown` if one is so slow that a request already with the server would be given up before
        it is answered: only a new session then waits long enough.
        """
        if self._patience_for(subscriptions) > self._patience:
            text = f"{self._session.url}: a subscription is slower than those before"
            raise LinkDown(text, Reason.NO_LINK)
        self.check()
        self._of |= {subscription.id: subscription for subscription in subscriptions}
        self._tasks = [task for task in self._tasks if not task.done()]
        missing = len(self._of) + 1 - len(self._tasks)
        self._tasks += [asyncio.create_task(self._publish()) for _ in range(missing)]

    async def end(self, subscriptions: Sequence[Subscription]) -> None:
        """Have the server forget subscriptions. After the last, so do the requests. Raises `LinkDown`."""
        self._of = {number: s for number, s in self._of.items() if s not in subscriptions}
        with breaking(self._session.url):
            await self._session.delete_subscriptions([s.id for s in subscriptions])
        if not self._of:
            await asyncio.wait(self._tasks, timeout=self._timeout)
            await self.close()

    def _patience_for(self, subscriptions: Sequence[Subscription]) -> float:
        return max(SILENCE * s.period for s in subscriptions) + self._timeout

    def _too_many(self) -> bool:
        return sum(not task.done() for task in self._tasks) > len(self._of) + 1

    def check(self) -> None:
        """Raise `LinkDown` if publishing has failed, and whatever a bug raised."""
        if self.failed is not None:
            raise self.failed
        for task in self._tasks:
            if task.done():
                task.result()

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _publish(self) -> None:
        try:
            while self.failed is None and not self._too_many():
                request = ua.PublishRequest()
                request.Parameters.SubscriptionAcknowledgements = self._acknowledge
                self._acknowledge = []
                with breaking(self._session.url):
                    try:
                        told = publish_response(await self._session.request(request, self._patience))
                    except ua.uaerrors.BadTooManyPublishRequests:
                        return  # one of the others is enough
                    except ua.uaerrors.BadNoSubscription:
                        if self._of:
                            raise
                        return  # the last was ended
                subscription = self._of.get(told.subscription)
                if subscription is None:
                    continue
                subscription.hear(told)
                if told.has_data:
                    mark = ua.SubscriptionAcknowledgement(told.subscription, told.sequence)
                    self._acknowledge.append(mark)
        except LinkDown as error:
            if self.failed is None:
                self.failed = error
                if self._on_lost is not None:
                    self._on_lost(error)

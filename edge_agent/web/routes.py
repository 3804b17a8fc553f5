"""The addresses of the page: the page itself, its stream, its history, orders, metrics and health."""

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge_agent import control, metrics
from edge_agent.config.web import Web
from edge_agent.observed import Observed
from edge_agent.web.feed import Feed, TooManyPages
from edge_agent.web.guard import Careful, Refused, Token, json_response
from edge_agent.web.past import MOST_POINTS, History, NoHistory
from edge_agent.web.points import Question

STATIC = Path(__file__).with_name("static")
LARGEST_ORDER = 4096
_RANGE = "since and until are numbers, seconds since 1970, and since comes before until"
ORDER_DEADLINE = 5.0
"""Seconds for an order to come whole."""


class Pages:
    """Answers for one agent. Each method is one address."""

    def __init__(self, web: Web, observed: Observed, feed: Feed) -> None:
        self._observed, self._feed = observed, feed
        self._registry = metrics.registry(observed)
        self._history = History(observed.historian.path)
        self._token = Token(web.token)

    async def page(self, _: Request) -> Response:
        """The page itself."""
        return FileResponse(STATIC / "index.html")

    async def stream(self, _: Request) -> Response:
        """Server-sent events: a layout, then a snapshot a second."""
        try:
            events = self._feed.open()
        except TooManyPages:
            return _error(503, "too many pages are open")
        return StreamingResponse(events, media_type="text/event-stream")

    async def status(self, _: Request) -> Response:
        """What `edge-agent status --json` says."""
        return json_response(self._observed.status())

    async def history(self, request: Request) -> Response:
        """Numbers of one machine: ``machine``, ``since`` and ``until`` in seconds since 1970, ``points``."""
        asked = request.query_params
        name = asked.get("machine", "")
        machine = next((m for m in self._observed.parts().machines if m.name == name), None)
        if machine is None:
            return _error(404, f"there is no machine {name!r}")
        try:
            since, until = _range(asked)
            points = int(asked.get("points", MOST_POINTS))
        except (KeyError, ValueError):
            return _error(400, _RANGE)
        if not 0 < points <= MOST_POINTS:
            return _error(400, f"points are 1 to {MOST_POINTS}")
        manifest = machine.model.bundle.manifest
        question = Question(
            machine=name,
            inputs=[i.name for i in manifest.inputs],
            outputs=[o.name for o in manifest.outputs],
            since=since,
            until=until,
            points=points,
        )
        try:
            return json_response(await self._history.past(question))
        except NoHistory as error:
            return _error(503, str(error))

    async def log(self, request: Request) -> Response:
        """The latest changes of alarms and events, between ``since`` and ``until`` if they are given."""
        asked = request.query_params
        try:
            since, until = _range(asked) if asked else (0.0, math.inf)
            return json_response(await self._history.log(since, until))
        except (KeyError, ValueError):
            return _error(400, _RANGE)
        except NoHistory as error:
            return _error(503, str(error))

    async def order(self, request: Request) -> Response:
        """Do what `control.Request` asks, if the token is right."""
        try:
            await self._token.check(request.headers.get("authorization", ""))
            asked = msgspec.json.decode(await _body(request), type=control.Request)
            by = f"the page, from {request.client.host}" if request.client else "the page"
            await control.obey(self._observed.parts(), self._observed.historian, asked, by)
        except Refused as error:
            return _error(error.status, str(error))
        except msgspec.DecodeError as error:
            return _error(400, str(error))
        except control.Refused as error:
            return _error(409, str(error))
        return Response(status_code=204)

    async def metrics(self, _: Request) -> Response:
        """Prometheus' text format."""
        return Response(metrics.text(self._registry), media_type=metrics.CONTENT_TYPE)

    async def healthy(self, _: Request) -> Response:
        """200 while everything makes progress."""
        hung = self._observed.hung()
        return json_response({"hung": hung}, 503 if hung else 200)

    async def ready(self, _: Request) -> Response:
        """200 once everything has begun."""
        missing = self._observed.unready()
        return json_response({"missing": missing}, 503 if missing else 200)


def application(web: Web, observed: Observed, feed: Feed) -> Starlette:
    """Return the application that answers for one agent."""
    pages = Pages(web, observed, feed)
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/api/stream", pages.stream),
            Route("/api/status", pages.status),
            Route("/api/history", pages.history),
            Route("/api/log", pages.log),
            Route("/api/order", pages.order, methods=["POST"]),
            Route("/metrics", pages.metrics),
            Route("/healthz", pages.healthy),
            Route("/readyz", pages.ready),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Careful, web)],
    )


def _range(asked: Mapping[str, str]) -> tuple[float, float]:
    """Return ``since`` and ``until``. Raises KeyError and ValueError."""
    since, until = float(asked["since"]), float(asked["until"])
    if not (math.isfinite(since) and math.isfinite(until) and since < until):
        raise ValueError
    return since, until


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(ORDER_DEADLINE):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST_ORDER:
                    raise Refused(413, f"an order has at most {LARGEST_ORDER} bytes")
    except (TimeoutError, ClientDisconnect):
        raise Refused(408, "the order did not come whole") from None
    return body


def _error(status: int, text: str) -> Response:
    return json_response({"error": text}, status)

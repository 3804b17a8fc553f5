"""The addresses of the page: the page itself, its stream, its history, metrics and health."""

from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge_agent import metrics
from edge_agent.config.web import Web
from edge_agent.observed import Observed
from edge_agent.web.feed import Feed, TooManyPages
from edge_agent.web.guard import Careful

STATIC = Path(__file__).with_name("static")


def application(web: Web, observed: Observed, feed: Feed) -> Starlette:
    """Return the application that answers for one agent."""
    registry = metrics.registry(observed)

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def stream(_: Request) -> Response:
        try:
            events = feed.open()
        except TooManyPages:
            return JSONResponse({"error": "too many pages are open"}, 503)
        return StreamingResponse(events, media_type="text/event-stream")

    async def status(_: Request) -> Response:
        return _json(observed.status())

    async def collected(_: Request) -> Response:
        return Response(metrics.text(registry), media_type=metrics.CONTENT_TYPE)

    async def healthy(_: Request) -> Response:
        hung = observed.hung()
        return JSONResponse({"hung": hung}, 503) if hung else JSONResponse({"hung": None})

    async def ready(_: Request) -> Response:
        missing = observed.unready()
        return JSONResponse({"missing": missing}, 503 if missing else 200)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/stream", stream),
            Route("/api/status", status),
            Route("/metrics", collected),
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Careful, web)],
    )


def _json(answer: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")

"""``[web]`` and ``[metrics]``: where the operator page listens, and where metrics are written."""

import ipaddress
from collections.abc import Mapping
from typing import Literal

import msgspec

from edge_agent.config.fields import Place, Seconds, build

SECTIONS = ("web", "metrics")


class WebTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[web]``. `token` and `certificate` name credentials; without a token the page only shows.

    `language` is for readers who have chosen none, "" for that of their browser. `hosts` are names beside
    ``localhost`` by which a page that listens on this machine alone may be called.
    """

    listen: str
    token: str = ""
    certificate: str = ""
    language: Literal["", "de", "en", "zh"] = ""
    hosts: list[str] = msgspec.field(default_factory=list)


class MetricsTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[metrics]``: a file for node_exporter's textfile collector, written `every` seconds."""

    textfile: str
    every: Seconds = Seconds(15.0)


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """Where the page listens. `loopback` says that only this machine reaches it."""

    host: str
    port: int
    token: str
    certificate: str
    language: str
    hosts: list[str]
    loopback: bool


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Where metrics are written. `every` is in seconds."""

    textfile: str
    every: float


def web_of(data: Mapping[str, object], root: Place) -> Web | None:
    """Return what ``[web]`` says, None if there is none or it is wrong."""
    place = root.at("web")
    table = build(WebTable, data["web"], place) if "web" in data else None
    if table is None:
        return None
    host, _, port = table.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        number = int(port)
    except ValueError:
        address, number = None, 0
    if address is None or not 1 <= number <= 65535:
        place.at("listen").wrong(
            f"{table.listen!r} is no address of this machine with a port, such as '127.0.0.1:8080'"
        )
        return None
    return Web(
        host=str(address),
        port=number,
        token=table.token,
        certificate=table.certificate,
        language=table.language,
        hosts=table.hosts,
        loopback=address.is_loopback,
    )


def metrics_of(data: Mapping[str, object], root: Place) -> Metrics | None:
    """Return what ``[metrics]`` says, None if there is none or it is wrong."""
    place = root.at("metrics")
    table = build(MetricsTable, data["metrics"], place) if "metrics" in data else None
    if table is None:
        return None
    if not table.textfile.endswith(".prom"):
        place.at("textfile").wrong(f"{table.textfile!r}: node_exporter reads only files named *.prom")
    return Metrics(textfile=str(root.file.parent / table.textfile), every=table.every)


def warnings(web: Web | None) -> list[str]:
    """Return what is allowed and had better not be."""
    if web is None or web.loopback:
        return []
    found = [f"web: whoever reaches port {web.port} of this machine sees the page"]
    if web.token and not web.certificate:
        found.append("web: the token crosses the network in the open; name a certificate, or use 127.0.0.1")
    return found

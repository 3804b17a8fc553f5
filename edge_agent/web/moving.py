"""What open pages are told when the page moves: where it is, and whether they reach it there as they did."""

import ipaddress

import msgspec

from edge_agent.config.web import Web


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Where the page is now; `host` "" if nowhere.

    `follows` says that whoever reached it at port `before` reaches it now under the same name.
    """

    before: int
    scheme: str = ""
    host: str = ""
    port: int = 0
    follows: bool = False


def moved(before: Web, now: Web | None) -> Moved:
    """Describe the move of a page."""
    if now is None:
        return Moved(before=before.port)
    return Moved(
        before=before.port,
        scheme="https" if now.certificate else "http",
        host=now.host,
        port=now.port,
        follows=now.host == before.host or ipaddress.ip_address(now.host).is_unspecified,
    )

"""Nothing is handed out without the page's charts: `scripts/web_assets` fetches them, nobody commits them."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FETCHED = "edge_agent/web/static/vendor/VERSION"
"""Written last of what is fetched."""


class Charts(BuildHookInterface):
    """Ends a build without them. The environment of a checkout, which is editable, may do without."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Look before anything is packed. Raises FileNotFoundError."""
        del build_data
        if version != "editable" and not Path(self.root, FETCHED).exists():
            raise FileNotFoundError(
                f"{FETCHED}: the operator page would have no charts; scripts/web_assets fetches them by npm"
            )

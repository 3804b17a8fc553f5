"""Links between documents that lead nowhere."""

import re
from pathlib import Path


def dead(root: Path) -> list[str]:
    """Return the links of README and docs under `root` whose targets are not there."""
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    assert len(pages) > 10, f"{root} holds {len(pages)} documents"
    links = ((page, re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))) for page in pages)
    return [f"{page}: {to}" for page, targets in links for to in targets if not (page.parent / to).exists()]

"""The steps that are installed here: the agent's own, and those that other packages bring.

A package brings a step as an entry point of the group `GROUP`, under the name that bundles call it by. Code
never comes out of a bundle.
"""

from importlib.metadata import entry_points
from typing import TypeGuard

import msgspec

from edge_agent.core.steps import OWN, Step, kind

GROUP = "edge_agent.steps"


def find(name: str) -> type[Step] | None:
    """Find an installed step; one of our own is never replaced. Raises ValueError if it is no step."""
    own = OWN.get(name)
    if own is not None:
        return own
    for point in entry_points(group=GROUP, name=name):
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise ValueError(f"the step {name!r} of {point.value} cannot be imported: {error}") from None
        if not _is_step(found, name):
            raise ValueError(f"{point.value} is no step: a Step and a msgspec.Struct with the tag {name!r}")
        return found
    return None


def _is_step(found: object, name: str) -> TypeGuard[type[Step]]:
    if not (isinstance(found, type) and issubclass(found, Step) and issubclass(found, msgspec.Struct)):
        return False
    return kind(found) == name


def names() -> list[str]:
    """Return the name of every installed step."""
    return sorted({*OWN, *(point.name for point in entry_points(group=GROUP))})

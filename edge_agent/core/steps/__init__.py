"""What happens to the rows between the tags and the model: one class for each step.

`OWN` are those that come with the agent. The converter and the agent run the same classes.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from edge_agent.core.steps.change import Difference, Rate
from edge_agent.core.steps.clocks import Calendar, RunHours
from edge_agent.core.steps.rolling import RollingCrest, RollingKurtosis, RollingMean, RollingRms, RollingStd
from edge_agent.core.steps.scaling import Affine, DivideByMax, MinMax, Standardise
from edge_agent.core.steps.single import Clip, Log, OneHot, Ratio, Select
from edge_agent.core.steps.spectrum import BandPower, OrderPower
from edge_agent.core.steps.step import CLOCK, LONGEST, Plan, Step, StepError

__all__ = [
    "CLOCK",
    "LONGEST",
    "OWN",
    "Affine",
    "Find",
    "Plan",
    "Step",
    "StepError",
    "decode",
    "kind",
    "own",
    "schema",
]

Find = Callable[[str], type[Step] | None]
"""Returns the step of a name, None if it is not installed."""


def kind(step: type[Step]) -> str:
    """Return the name under which a step is found."""
    return str(step.__struct_config__.tag)  # type: ignore[attr-defined]


OWN: dict[str, type[Step]] = {
    kind(step): step
    for step in (
        Affine, Standardise, MinMax, DivideByMax, Clip, Difference, Rate, Log, OneHot, Ratio, Select,
        RollingMean, RollingStd, RollingRms, RollingKurtosis, RollingCrest, BandPower, OrderPower, Calendar,
        RunHours,
    )
}  # fmt: skip


def own(name: str) -> type[Step] | None:
    """Find a step among those that come with the agent."""
    return OWN.get(name)


def decode(find: Find) -> Callable[[type, Any], Any]:
    """Return what msgspec asks for the steps of a manifest, its `dec_hook`."""

    def hook(wanted: type, data: Any) -> Step:
        if wanted is not Step:
            raise NotImplementedError(wanted)
        name = data.get("type") if isinstance(data, dict) else None
        if not isinstance(name, str):
            raise ValueError("a step needs a type")  # noqa: TRY004 - msgspec adds the path to a ValueError
        found = find(name)
        if found is None:
            raise ValueError(
                f"the step {name!r} is not installed here; install the package that brings it, in the group "
                "edge_agent.steps, or take a bundle without it"
            )
        try:
            return msgspec.convert(data, found)
        except msgspec.ValidationError as error:
            raise ValueError(f"the step {name!r}: {error}") from None

    return hook


def schema(wanted: type) -> dict[str, Any]:
    """Return the JSON schema of any step: msgspec's `schema_hook`. What else it has depends on its type."""
    if wanted is not Step:
        raise NotImplementedError(wanted)
    return {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}

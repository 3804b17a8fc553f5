"""The metrics of one machine: their names, types, aliases, units, and their values in one result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pysparkplug import DataType, Metric

from edge_agent.config.schema import Machine
from edge_agent.core.tags import Tag
from edge_agent.north.alarms import RAISED
from edge_agent.north.results import Result

Value = float | bool | str | int | None
"""None is told as null: there is no value."""
States = tuple[str, str]
"""Of alarm and warning of an output, as `core.alarm.AlarmState` names them."""

_NUMBERS = {"score": "Score", "value": "Value", "confidence": "Confidence"}


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric. `properties` are its unit and range, under the names that SCADA systems look for."""

    name: str
    kind: DataType
    alias: int
    properties: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Described(Metric):
    """A metric that carries properties in a birth, which pysparkplug's own cannot."""

    properties: Mapping[str, str | float] = field(default_factory=dict)

    def to_pb(self, include_dtype: bool) -> Any:
        told = super().to_pb(include_dtype)
        for name, value in self.properties.items():
            told.properties.keys.append(name)
            said = told.properties.values.add()
            if isinstance(value, str):
                said.type, said.string_value = DataType.STRING, value
            else:
                said.type, said.double_value = DataType.DOUBLE, value
        return told


class Device:
    """A machine as a Sparkplug device. Its aliases are `first` and those that follow."""

    def __init__(self, machine: Machine, tags: Mapping[str, Tag], outcomes: list[str], first: int) -> None:
        self.name, self.inputs = machine.name, machine.inputs
        manifest = machine.bundle.manifest
        self._outputs = [output.name for output in manifest.outputs]
        self._warned = [output.name for output in manifest.outputs if output.warning]
        self._outcomes = outcomes
        self.priority = machine.alarm.priority
        self._fixed: list[Value] = [machine.mode, f"{manifest.name} {manifest.version}"]
        self.definitions = [
            Definition(name, kind, first + i, properties)
            for i, (name, kind, properties) in enumerate(_named(self, tags))
        ]

    @property
    def outputs(self) -> list[str]:
        """The names of the bundle's outputs."""
        return self._outputs

    @property
    def warned(self) -> list[str]:
        """Those that have a warning as well."""
        return self._warned

    @property
    def outcomes(self) -> list[str]:
        """The names of what a write can come to."""
        return self._outcomes

    @property
    def changing(self) -> int:
        """How many definitions, the first ones, are of results; then come alarms, counters, what stays."""
        return len(self.definitions) - self._alarms - len(self._outcomes) - len(self._fixed)

    @property
    def _alarms(self) -> int:
        return len(self._outputs) + 2 * len(self._warned)

    def values(self, result: Result, *, inputs: bool) -> list[Value]:
        """Return what a result says, one value a definition; no inputs if it is of other `inputs`."""
        said: list[Value] = [result.state, result.reason, result.score, result.alarm]
        for name in self._outputs:
            output = result.outputs.get(name, {})
            said += [output.get(number) for number in _NUMBERS]
            said.append(output.get("alarm"))
        known = inputs and len(result.inputs) == len(self.inputs)
        return [*said, *result.inputs] if known else said

    def nothing(self) -> list[Value]:
        """Return what is said of a machine that has no result yet."""
        return ["STARTING", "NEVER_READ", None, None, *([None] * (self.changing - 4))]

    def birth(
        self, at: int, values: list[Value], states: Mapping[str, States], counts: list[int]
    ) -> Iterator[Metric]:
        """Make all metrics, with name and alias; `at` is in ms since 1970."""
        alarms = [value for name in self._outputs for value in self._said(name, states.get(name))]
        said = [*values, *[None] * (self.changing - len(values)), *alarms, *counts, *self._fixed]
        for d, value in zip(self.definitions, said, strict=True):
            yield _Described(at, d.name, d.kind, value, d.alias, properties=d.properties)

    def changes(
        self, at: int, values: list[Value], before: list[Value] | None, *, late: bool
    ) -> Iterator[Metric]:
        """Make metrics, by alias alone, of those values that are not as `before`, all if there are none."""
        for i, (definition, value) in enumerate(zip(self.definitions, values, strict=False)):
            if before is None or i >= len(before) or value != before[i]:
                yield Metric(at, None, definition.kind, value, definition.alias, is_historical=late)

    def alarm(self, at: int, output: str, states: States, *, late: bool) -> Iterator[Metric]:
        """Make metrics of the states of an output's alarm and warning; none if it has no such output."""
        first = self.changing
        for name in self._outputs:
            said = self._said(name, states)
            if name == output:
                for definition, value in zip(self.definitions[first:], said, strict=False):
                    yield Metric(at, None, definition.kind, value, definition.alias, is_historical=late)
            first += len(said)

    def _said(self, output: str, states: States | None) -> list[Value]:
        alarm, warning = states or (None, None)
        raised = warning in RAISED if warning is not None else None
        return [alarm, warning, raised] if output in self._warned else [alarm]

    def counted(self, at: int, counts: list[int]) -> Iterator[Metric]:
        """Make metrics of the counters."""
        for definition, count in zip(self.definitions[self.changing + self._alarms :], counts, strict=False):
            yield Metric(at, None, definition.kind, count, definition.alias)


def _named(device: Device, tags: Mapping[str, Tag]) -> Iterator[tuple[str, DataType, dict[str, str | float]]]:
    for name, kind in (("State", DataType.STRING), ("Reason", DataType.STRING), ("Score", DataType.DOUBLE)):
        yield name, kind, {}
    yield "Alarm", DataType.BOOLEAN, {}
    for output in device.outputs:
        for number in _NUMBERS.values():
            yield f"Outputs/{output}/{number}", DataType.DOUBLE, {}
        yield f"Outputs/{output}/Alarm", DataType.BOOLEAN, {}
    for name in device.inputs:
        yield f"Inputs/{name}", DataType.DOUBLE, _properties(tags[name])
    for output in device.outputs:
        yield f"Outputs/{output}/Alarm state", DataType.STRING, {"priority": device.priority.alarm}
        if output in device.warned:
            yield f"Outputs/{output}/Warning state", DataType.STRING, {"priority": device.priority.warning}
            yield f"Outputs/{output}/Warning", DataType.BOOLEAN, {}
    for outcome in device.outcomes:
        yield f"Writes/{outcome}", DataType.INT64, {}
    yield "Mode", DataType.STRING, {}
    yield "Bundle", DataType.STRING, {}


def _properties(tag: Tag) -> dict[str, str | float]:
    """Return unit and range as Ignition and other hosts name them; what is not known is left out."""
    found: dict[str, str | float] = {"engUnit": tag.unit} if tag.unit else {}
    limits = {"engLow": tag.low, "engHigh": tag.high}
    return found | {name: value for name, value in limits.items() if abs(value) != float("inf")}

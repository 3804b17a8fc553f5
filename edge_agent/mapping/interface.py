"""The function block's variables: limits from the bundle, numbers from the agent's own tables."""

from enum import IntEnum

import msgspec

from edge_agent.config.schema import Machine
from edge_agent.core.manifest import Output
from edge_agent.core.resultblock import FIELDS, LAYOUT, WORDS, AlarmBits, State

_NO_LIMIT = 1e30
"""Sums and differences of such numbers are still REALs."""
_NO_NUMBER = "-3.0E38"
_MISSED = 3
"""Results that may fail to come before the last one is stale."""


class Refused(IntEnum):
    """Why the function block does not take the frame of this cycle. An HMI reads it: never renumber."""

    NOTHING = 0
    HEARTBEAT = 1
    LAYOUT = 2
    TORN = 3
    CRC = 4
    STATE = 5
    NOT_FINITE = 6
    LIMITS = 7
    STALE = 8


REFUSALS = {
    Refused.NOTHING: "the frame is good",
    Refused.HEARTBEAT: "the heartbeat has not moved yet, or stands still",
    Refused.LAYOUT: "the block has another layout, or was never written",
    Refused.TORN: "the two copies of the sequence differ",
    Refused.CRC: "the checksum is wrong",
    Refused.STATE: "the agent has no result; its state and reason say why",
    Refused.NOT_FINITE: "the score or the value is NaN or infinity",
    Refused.LIMITS: "the score or the value is outside its limits",
    Refused.STALE: "the result is an old one: the sequence stands still",
}


class Variable(msgspec.Struct, frozen=True):
    """One variable. `initial` is a literal of Structured Text, "" for none. An array is 0..`last`."""

    name: str
    type: str
    initial: str = ""
    comment: str = ""
    last: int | None = None


class Section(msgspec.Struct, frozen=True):
    """Variables under one keyword: VAR_INPUT, VAR_OUTPUT, VAR CONSTANT or VAR."""

    keyword: str
    variables: tuple[Variable, ...]


def sections(machine: Machine, heartbeat: float) -> tuple[Section, ...]:
    """Return the interface for a machine whose block is written at least every `heartbeat` seconds."""
    return (
        Section("VAR_INPUT", _inputs(machine, heartbeat)),
        Section("VAR_OUTPUT", _OUTPUTS),
        Section("VAR CONSTANT", _constants()),
        Section("VAR", _MEMORY),
    )


def timeouts(machine: Machine, heartbeat: float) -> tuple[float, float]:
    """Return for how many seconds the heartbeat, and the sequence, may stand still."""
    timeout = 2 * heartbeat
    return timeout, max(_MISSED * machine.bundle.manifest.period, timeout)


def _inputs(machine: Machine, heartbeat: float) -> tuple[Variable, ...]:
    low, high = _score_limits(machine.bundle.manifest.outputs[0])
    timeout, stale = timeouts(machine, heartbeat)
    return (
        Variable("Block", "WORD", "", "the agent's registers, in their order", WORDS - 1),
        Variable("Cycle", "TIME", "", "time since the last call"),
        Variable("Ack", "BOOL", "", "going TRUE acknowledges the alarm"),
        Variable("Permit", "BOOL", "", "the PLC allows Output to follow the agent"),
        Variable("OwnAlarm", "BOOL", "", "what the PLC decides by itself, without the agent"),
        Variable("FallbackValue", "REAL", "", "Output without the agent"),
        Variable("Timeout", "TIME", _time(timeout), "the heartbeat may stand still so long"),
        Variable("ResultTimeout", "TIME", _time(stale), "the sequence may stand still so long"),
        Variable("ScoreLow", "REAL", _real(low), "plausible scores; outside there is no result"),
        Variable("ScoreHigh", "REAL", _real(high)),
        Variable("ValueLow", "REAL", _real(-_NO_LIMIT), "plausible values; set them if you use Output"),
        Variable("ValueHigh", "REAL", _real(_NO_LIMIT)),
        Variable("MaxStep", "REAL", _real(_NO_LIMIT), "the most that Output changes in a call, 0 or more"),
    )


_OUTPUTS = (
    Variable("Alive", "BOOL", "", "the heartbeat moves"),
    Variable("Valid", "BOOL", "", "Score, Value and Warning count"),
    Variable("Fallback", "BOOL", "TRUE", "NOT Valid: the machine does what it did before there was an agent"),
    Variable("Lamp", "BOOL", "", "the agent's alarm while Valid, else OwnAlarm"),
    Variable("Warning", "BOOL", "", "the agent's warning"),
    Variable("Unacknowledged", "BOOL", "", "Lamp came on and was not acknowledged yet"),
    Variable("Permissive", "BOOL", "", "Permit while the agent lives; a tag that the agent may read"),
    Variable("Score", "REAL", _NO_NUMBER, f"the result; {_NO_NUMBER} if there is none"),
    Variable("Value", "REAL", _NO_NUMBER, f"what the score stands for; {_NO_NUMBER} if there is none"),
    Variable("Output", "REAL", "", "Value in steps of MaxStep while Valid and permitted, else FallbackValue"),
    Variable("Sequence", "UINT", "", "of the last result taken"),
    Variable("State", "UINT", "", "the agent's state in the last sound frame"),
    Variable("Reason", "UINT", "", "why the agent has no result, in the last sound frame"),
    Variable("Refused", "UINT", "", "why this cycle's frame is not taken; 0 if it is"),
    Variable("Timeouts", "UINT", "", "how often the heartbeat stopped"),
)

_MEMORY = (
    Variable("Seen", "BOOL"),
    Variable("LastBeat", "WORD"),
    Variable("BeatAge", "TIME"),
    Variable("SoundAge", "TIME"),
    Variable("ResultAge", "TIME"),
    Variable("Taken", "BOOL"),
    Variable("Sound", "BOOL"),
    Variable("Fresh", "BOOL"),
    Variable("AgentAlarm", "BOOL"),
    Variable("AgentWarning", "BOOL"),
    Variable("LastLamp", "BOOL"),
    Variable("LastAck", "BOOL"),
    Variable("Crc", "WORD"),
    Variable("Index", "INT"),
    Variable("Half", "INT"),
    Variable("Shift", "INT"),
    Variable("First", "INT"),
    Variable("Exponent", "INT"),
    Variable("Magnitude", "REAL"),
    Variable("Change", "REAL"),
    Variable("Finite", "BOOL", last=1),
    Variable("Numbers", "REAL", last=1),
)


def _constants() -> tuple[Variable, ...]:
    used = ("layout", "heartbeat", "sequence", "state", "reason", "alarm", "score", "value", "sequence_again")
    at = {name: word for name, _, word in FIELDS}
    return (
        Variable("LAYOUT", "WORD", _word(LAYOUT), "of the block that this program knows"),
        Variable("STATE_READY", "WORD", _word(State.READY)),
        Variable("STATE_ADVISORY", "WORD", _word(State.ADVISORY)),
        Variable("STATE_ACTIVE", "WORD", _word(State.ACTIVE)),
        Variable("ALARM_BIT", "WORD", _word(AlarmBits.ALARM)),
        Variable("WARNING_BIT", "WORD", _word(AlarmBits.WARNING)),
        Variable("NO_NUMBER", "REAL", _NO_NUMBER, "where there is none: Structured Text has no NaN"),
        *(Variable(f"AT_{name.upper()}", "INT", str(at[name])) for name in (*used, "crc")),
        *(Variable(f"REFUSED_{code.name}", "UINT", str(code.value), REFUSALS[code]) for code in Refused),
    )


def _score_limits(output: Output) -> tuple[float, float]:
    """Return what scores can be at all, by what the output means."""
    if output.kind == "probability" or (output.kind == "class" and output.normal):
        return 0.0, 1.0
    if output.kind == "class":
        return 0.0, float(len(output.classes) - 1)
    return (-_NO_LIMIT if output.kind == "value" else 0.0), _NO_LIMIT


def _time(seconds: float) -> str:
    return f"T#{round(seconds * 1000)}ms"


def _word(number: int) -> str:
    return f"WORD#16#{number:04X}"


def _real(number: float) -> str:
    """Return a literal, which needs a digit after its point: 1.0E30."""
    digits, exponential, exponent = repr(number).partition("e")
    if not exponential:
        return digits
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"

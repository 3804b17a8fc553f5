"""What is told of a machine, once when it comes and once when it goes, in the log and in the history."""

import logging
from collections.abc import Sequence

from edge_agent.core.drift import Drifted
from edge_agent.core.pipeline import Verdict
from edge_agent.core.reasons import Cause
from edge_agent.core.remark import Remark
from edge_agent.core.tags import Reason
from edge_agent.historian import Historian

log = logging.getLogger(__name__)

TOLD_ELSEWHERE = {
    Reason.NO_LINK,
    Reason.TIMEOUT,
    Reason.BAD_REPLY,
    Reason.MODEL_DOWN,
    Reason.MODEL_LATE,
    Reason.WARMING_UP,
    Reason.MACHINE_IDLE,
    Reason.MACHINE_SETTLING,
    Reason.NEVER_READ,
}
"""Reasons that their device or their model has logged, or that nobody needs to hear of."""


class Chronicle:
    """Tells of one machine."""

    def __init__(self, machine: str, historian: Historian) -> None:
        self._machine, self._historian = machine, historian
        self._complained = self._wary = False

    def state(self, before: Verdict, verdict: Verdict) -> None:
        """Tell what changed from one cycle to the next."""
        if (before.state, before.reason, before.culprit) != (verdict.state, verdict.reason, verdict.culprit):
            self._state(verdict)
        if _named(before.outside) != _named(verdict.outside):
            self._outside(verdict.outside)

    def causes(self, output: str, causes: Sequence[Cause]) -> None:
        """Tell which inputs made an alarm."""
        text = "; ".join(cause.text for cause in causes) or "no single input makes it"
        self._historian.event(self._machine, "reasons", f"{output}: {text}")
        log.warning("machine %s: alarm %s: %s", self._machine, output, text)

    def drifted(self, drifted: Sequence[Drifted]) -> None:
        """Tell which inputs and scores are not distributed as they were in training."""
        for one in drifted:
            self._historian.event(self._machine, "drift", one.text)
            log.warning("machine %s: drift: %s", self._machine, one.text)

    def _outside(self, outside: Remark | None) -> None:
        text = outside.text if outside else "the window is as in training again"
        self._historian.event(self._machine, "outside training", text)
        if outside and not self._wary:
            log.warning("machine %s: UNCERTAIN, outside of training: %s", self._machine, text)
        self._wary = outside is not None

    def _state(self, verdict: Verdict) -> None:
        text = f"{verdict.state.name}, {verdict.reason.name}"
        if verdict.culprit:
            text += f", input {verdict.culprit}"
        self._historian.event(self._machine, "state", text)
        if verdict.valid and self._complained:
            self._complained = False
            log.info("machine %s: results again", self._machine)
        elif not verdict.valid and verdict.reason not in TOLD_ELSEWHERE and not self._complained:
            self._complained = True
            log.warning("machine %s: no results: %s", self._machine, text)


def _named(outside: Remark | None) -> str:
    return outside.input if outside else ""

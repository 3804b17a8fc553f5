"""Whether the machines are as well off with a new configuration as before: then it is kept, else given up.

What is new has to answer and to give results; what was silent before may stay so, because that is not the
configuration's doing. Without a word from before, as after a restart, all has to be well.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from edge_agent import reconfigured
from edge_agent.build import Parts
from edge_agent.bundles.telling import tell
from edge_agent.core.tags import Reason

LOOK_EVERY = 1.0
_WELL = (Reason.NONE, Reason.MACHINE_IDLE, Reason.MACHINE_SETTLING)
"""Reasons of a machine whose inputs and model are well, even if it stands still."""


class Probation:
    """Looks at a running agent. `trial` is how long it has to be healthy, in seconds."""

    def __init__(self, parts: Callable[[], Parts], trial: float) -> None:
        self._parts, self._trial = parts, trial
        self._sha256 = ""
        self._since = 0.0
        self._states: dict[str, str] = {}
        self._excused: set[str] = set()
        self._done = False

    async def run(self) -> None:
        """Look once a second, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            verdict = self.look(asyncio.get_running_loop().time())
            if verdict is not None:
                await asyncio.to_thread(self._end, verdict)

    def look(self, now: float) -> str | None:
        """Return "" once the configuration in use is to be kept, a reason to give it up, or None."""
        config = self._parts().config
        if config.sha256 != self._sha256:
            self._excused = {name for name, problem in self._states.items() if problem}
            self._sha256, self._since, self._done = config.sha256, now, not config.remote
        self._states = _states(self._parts())
        if self._done:
            return None
        problems = [f"{n}: {p}" for n, p in self._states.items() if p and n not in self._excused]
        if now - self._since >= self._trial and not problems:
            self._done = True
            return ""
        if now - self._since > self._trial + _windows(self._parts()):
            self._done = True
            return f"not healthy within its trial: {'; '.join(problems)}"
        return None

    def _end(self, reason: str) -> None:
        config = self._parts().config
        if not reason:
            reconfigured.commit(config)
        elif reconfigured.give_up(config, reason):
            tell(Path(config.state))


def _states(parts: Parts) -> dict[str, str]:
    """Return what is wrong with every device and machine, "" for nothing."""
    found = {f"device {d.name}": "" if d.healthy else "does not answer" for d in parts.devices}
    for machine in parts.machines:
        verdict = machine.verdict
        text = f"{verdict.reason.name} {verdict.culprit}".strip()
        found[f"machine {machine.name}"] = "" if verdict.reason in _WELL else text
    return found


def _windows(parts: Parts) -> float:
    """Return how long it may take until every machine has had a whole window, in seconds."""
    manifests = [machine.model.bundle.manifest for machine in parts.machines]
    return 2 * max((m.period * (m.window + 1) for m in manifests), default=0.0)

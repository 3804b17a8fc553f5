"""Whether a new configuration is kept: looks at a running agent, second by second."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.core.tags import Reason
from edge_agent.fleet.probation import Probation

OWN, NEW = ("own", 0), ("new", 7)


class Site:
    """Devices and machines by name, each well or not."""

    def __init__(self) -> None:
        self.devices = {"a": True}
        self.machines = {"m": Reason.NONE}
        self.config = OWN
        self.probation = Probation(lambda: self.parts, 3.0)  # type: ignore[arg-type, return-value]
        self.now = 0.0

    @property
    def parts(self) -> Any:
        sha256, remote = self.config
        manifest = SimpleNamespace(period=1.0, window=4)
        model = SimpleNamespace(bundle=SimpleNamespace(manifest=manifest))
        return SimpleNamespace(
            config=SimpleNamespace(sha256=sha256, remote=remote),
            devices=[SimpleNamespace(name=n, healthy=h) for n, h in self.devices.items()],
            machines=[
                SimpleNamespace(name=n, model=model, verdict=SimpleNamespace(reason=r, culprit=""))
                for n, r in self.machines.items()
            ],
        )

    def looks(self, seconds: int) -> list[str]:
        """Look so often; return the verdicts."""
        found = []
        for _ in range(seconds):
            self.now += 1
            found.append(self.probation.look(self.now))
        return [verdict for verdict in found if verdict is not None]


def test_the_gateways_own_is_on_no_trial() -> None:
    site = Site()
    site.devices["a"] = False
    assert site.looks(100) == []


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.MACHINE_IDLE, Reason.MACHINE_SETTLING])
def test_one_in_which_all_is_well_is_kept_once_its_trial_is_over(reason: Reason) -> None:
    site = Site()
    site.looks(5)
    site.config, site.machines["m"] = NEW, reason
    assert site.looks(3) == []
    assert site.looks(1) == [""]
    site.devices["a"] = False
    assert site.looks(100) == []


def test_one_that_silences_what_was_well_is_given_up() -> None:
    site = Site()
    site.looks(5)
    site.config, site.devices["a"], site.machines["m"] = NEW, False, Reason.NO_LINK
    assert site.looks(13) == []
    assert site.looks(100) == ["not healthy within its trial: device a: does not answer; machine m: NO_LINK"]


def test_what_was_silent_before_may_stay_so_but_what_is_new_may_not() -> None:
    site = Site()
    site.devices["b"] = False
    site.looks(5)
    site.config = NEW
    assert site.looks(100) == [""]
    site.config = ("newer", 8)
    site.devices["c"] = False
    assert site.looks(100) == ["not healthy within its trial: device c: does not answer"]


def test_a_window_that_fills_slowly_has_its_time() -> None:
    site = Site()
    site.looks(5)
    site.config, site.machines["m"] = NEW, Reason.WARMING_UP
    assert site.looks(10) == []
    site.machines["m"] = Reason.NONE
    assert site.looks(1) == [""]


def test_nothing_is_excused_after_a_restart() -> None:
    site = Site()
    site.config, site.devices["a"] = NEW, False
    assert site.looks(100) == ["not healthy within its trial: device a: does not answer"]

"""An office's configuration on trial: each start with it is counted, and what cannot be used is given up.

A disk that takes no record does not keep the agent from starting, nor from going on.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from edge_agent.bundles.record import AGENT, STARTS, Record
from edge_agent.bundles.store import StoreError
from edge_agent.config import Config
from edge_agent.configurations import Configurations, sequence_of

log = logging.getLogger(__name__)


def begin(config: Config) -> bool:
    """Count a start with the active one; return whether it was given up, so that another is active."""

    def count(record: Record) -> bool:
        if config.remote != sequence_of(record.active):
            return _give_up(record, config.not_taken)
        return not record.begin() and _give_up(record, f"{STARTS} starts without healthy cycles")

    return _change(config, count)


def end_well(config: Config) -> None:
    """Forget the starts of this run: an orderly stop is no failure."""

    def forget(record: Record) -> bool:
        record.end_well()
        return True

    _change(config, forget)


def refused(config: Config, reason: str) -> None:
    """Give up the active one if `config`, which is in use, is not of it."""
    _change(config, lambda record: not _used(record, config) and _give_up(record, reason))


def give_up(config: Config, reason: str) -> bool:
    """Go back to what was before the one in use, if that is on trial; return whether that was so."""
    return _change(config, lambda record: _on_trial(record, config) and _give_up(record, reason))


def commit(config: Config) -> None:
    """Keep the one in use: it has shown healthy cycles."""

    def keep(record: Record) -> bool:
        if _on_trial(record, config):
            record.commit()
            record.tell(AGENT, f"committed {config.remote}")
            log.info("configuration %d is committed", config.remote)
        return True

    _change(config, keep)


def _used(record: Record, config: Config) -> bool:
    return sequence_of(record.active) == config.remote


def _on_trial(record: Record, config: Config) -> bool:
    return _used(record, config) and not record.committed


def _change(config: Config, change: Callable[[Record], bool]) -> bool:
    """Change the record, if a configuration of the office is active; return what the change says."""
    fleet, store = config.north.fleet, Configurations(Path(config.state))
    try:
        if fleet is None or fleet.configure == "nothing" or not store.record().active:
            return False
        with store.changing() as record:
            return change(record)
    except (StoreError, OSError) as error:
        log.warning("configurations: the change is not kept: %s", error)
        return False


def _give_up(record: Record, reason: str) -> bool:
    left = sequence_of(record.active)
    record.roll_back()
    # What ran before was committed, or is what the gateway's own file says.
    record.committed = bool(record.active)
    now = f"back to {sequence_of(record.active)}" if record.active else "back to the gateway's own"
    record.tell(AGENT, f"gave up {left}: {reason}; {now}")
    log.error("configuration %d is given up: %s; %s", left, reason, now)
    return True

"""When declared outputs may be written: tables of cycles."""

import math

from edge_agent.core.permit import Conditions, Denied, Permit
from edge_agent.core.tags import Quality, Reason, Sample

S = 1_000_000_000


def sample(value, quality=Quality.GOOD):
    value = math.nan if quality is Quality.BAD else value
    return Sample(value=value, quality=quality, reason=Reason.NONE, at=0)


class Plc:
    """A PLC's signals over time, and what the permit says of them."""

    def __init__(self, **conditions):
        self.permit = Permit(Conditions(**{"cycles": 3, "heartbeat": 2.0, **conditions}))
        self.now, self.beat = 0, 0
        self.permissive, self.identity = sample(1), None

    def cycle(self, *, beats=True, valid=True, seconds=1.0, beat=None):
        self.now += int(seconds * S)
        self.beat += beats
        return self.permit.judge(
            self.permissive, beat or sample(self.beat), self.identity, valid=valid, now=self.now
        )

    def permitted(self):
        for _ in range(5):
            said = self.cycle()
        assert said is Denied.NOTHING
        return self


def test_it_takes_a_heartbeat_that_moved_and_good_cycles_in_a_row():
    plc = Plc()
    assert [plc.cycle() for _ in range(4)] == [
        Denied.PLC_HEARTBEAT,
        Denied.TOO_FEW_CYCLES,
        Denied.NOTHING,
        Denied.NOTHING,
    ]


def test_a_result_that_is_not_valid_starts_the_count_again():
    plc = Plc().permitted()
    assert [plc.cycle(valid=v) for v in (False, True, True, True)] == [
        Denied.NO_RESULT,
        Denied.TOO_FEW_CYCLES,
        Denied.TOO_FEW_CYCLES,
        Denied.NOTHING,
    ]


def test_a_plc_that_stands_still_permits_nothing():
    plc = Plc().permitted()
    assert [plc.cycle(beats=False) for _ in range(3)] == [
        Denied.NOTHING,
        Denied.NOTHING,
        Denied.PLC_HEARTBEAT,
    ]
    assert plc.cycle() is Denied.NOTHING


def test_a_heartbeat_that_cannot_be_read_is_none():
    plc = Plc().permitted()
    bad = sample(0, Quality.BAD)
    assert [plc.cycle(beat=bad) for _ in range(3)][-1] is Denied.PLC_HEARTBEAT


def test_the_permissive_counts_in_the_same_cycle_and_only_when_good():
    plc = Plc().permitted()
    for permissive in (sample(0), sample(1, Quality.UNCERTAIN), sample(1, Quality.BAD)):
        plc.permissive = permissive
        assert plc.cycle() is Denied.PERMISSIVE
    plc.permissive = sample(1)
    assert plc.cycle() is Denied.NOTHING


def test_another_program_in_the_plc_permits_nothing():
    plc = Plc(identity=4711).permitted()
    plc.identity = sample(4711)
    assert plc.cycle() is Denied.NOTHING
    plc.identity = sample(4712)
    assert plc.cycle() is Denied.IDENTITY
    plc.identity = sample(4711, Quality.BAD)
    assert plc.cycle() is Denied.IDENTITY

"""Until when nothing may be sent, as tables: no link, no clock."""

from edge_agent.drivers.modbus.quiet import MOST_NOISE, Quiet


def test_the_longest_of_pause_and_delay_counts() -> None:
    quiet = Quiet(pause=2.0, delay=0.5, numbered=True)
    quiet.connected(10.0)
    quiet.answered(10.1)
    assert quiet.until == 12.0
    quiet.answered(11.9)
    assert quiet.until == 12.4


def test_only_a_line_without_numbers_is_left_alone_after_an_answer_that_did_not_come() -> None:
    for numbered, until in ((True, 0.0), (False, 6.0)):
        quiet = Quiet(pause=0.0, delay=0.0, numbered=numbered)
        quiet.missed(1.0, 5.0)
        assert quiet.until == until


def test_bytes_that_nobody_asked_for_put_off_the_next_request_until_they_are_too_many() -> None:
    quiet = Quiet(pause=0.0, delay=0.1, numbered=False)
    assert quiet.disturbed(MOST_NOISE, 3.0)
    assert quiet.until == 3.1
    assert not quiet.disturbed(1, 3.2)
    quiet.sent()
    assert quiet.disturbed(MOST_NOISE, 4.0), "what came after a request was asked for"

"""Orders wait for their cycle, one after the other; what nobody can obey is refused."""

import numpy as np
import pytest
from dense_model import MANIFEST

from edge_agent.core.alarm import Command, Order
from edge_agent.core.orders import MOST, OrderRefused, Orders
from edge_agent.core.tags import Columns, Quality

BUTTONS = [(Command.ACKNOWLEDGE, 0), (Command.RESET, 1)]
ACK, RESET = Order(Command.ACKNOWLEDGE), Order(Command.RESET)


def image(ack: float, reset: float = 0, quality: Quality = Quality.GOOD) -> Columns:
    two = np.zeros(2, np.uint8)
    return Columns(np.array([ack, reset]), two + quality, two, np.zeros(2, np.int64))


def test_a_button_counts_when_it_is_pressed_and_both_count_one_after_the_other():
    orders = Orders(MANIFEST)
    said = [orders.next(BUTTONS, i) for i in (image(0), image(1, 1), image(1, 1), image(1, 1), image(0, 1))]
    assert said == [None, ACK, RESET, None, None]
    bad = image(1, 0, Quality.UNCERTAIN)
    assert [orders.next(BUTTONS, i) for i in (bad, image(1))] == [None, ACK]


def test_what_people_ask_waits_behind_what_came_before():
    orders = Orders(MANIFEST)
    first, second = Order(Command.SHELVE, "wear", 60.0), Order(Command.UNSHELVE)
    orders.put(first)
    orders.put(second)
    assert [orders.next([], image(0)) for _ in range(3)] == [first, second, None]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (Order(Command.ACKNOWLEDGE, "weer"), "no output 'weer' with an alarm; known: wear"),
        (Order(Command.SHELVE, "wear", 0.0), "at most 8 h"),
        (Order(Command.SHELVE, "wear", 9 * 3600.0), "at most 8 h"),
        (Order(Command.SHELVE, "wear", float("nan")), "at most 8 h"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(order, says):
    with pytest.raises(OrderRefused, match=says):
        Orders(MANIFEST).put(order)


def test_no_more_than_some_wait():
    orders = Orders(MANIFEST)
    for _ in range(MOST):
        orders.put(ACK)
    with pytest.raises(OrderRefused, match="wait already"):
        orders.put(ACK)
    orders.next([(Command.RESET, 1)], image(0))
    orders.next([(Command.RESET, 1)], image(0, 1))

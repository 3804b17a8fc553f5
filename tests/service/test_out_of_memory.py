"""Memory runs out, and the kernel takes processes of the service: the model's child before the agent."""

from collections.abc import Iterator

import psutil
import pytest
from agent_process import until
from box import Box
from memory import Memory
from unit import UNIT, at_work, count_results, pid, query, results

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]

LIMIT = 256
"""MB, of which the agent and its child use a third."""

FAULTS = "select score from result where state = 'FAULT' and reason = 'MODEL_DOWN'"


@pytest.fixture
def box(installed: Box) -> Box:
    return at_work(installed)


@pytest.fixture
def memory(box: Box) -> Iterator[Memory]:
    """A group with the agent and a child in it, all of whose memory is counted."""
    with Memory() as group:
        group.take(box.outside(pid(box)))
        (child,) = box.children(pid(box))
        box.run("kill", "-9", child)
        until(lambda: box.children(pid(box)) not in ([], [child]), "a child that is counted", 60)
        results(box)
        group.limit(LIMIT)
        yield group


def test_the_model_goes_first_and_the_agent_goes_on(box: Box, memory: Memory) -> None:
    agent, children = pid(box), box.children(pid(box))
    before = len(query(box, FAULTS))
    memory.eat(until=lambda: memory.killed > 0)
    # At once: the next child finds no room, and what the kernel takes then may be the agent.
    memory.release()
    until(lambda: box.children(agent) != children, "the end of the child")
    until(lambda: len(query(box, FAULTS)) > before, "the fault in the history")
    results(box)
    assert pid(box) == agent
    assert "the inference child is gone (SIGKILL)" in box.journal(UNIT)
    assert {score for (score,) in query(box, FAULTS)} == {None}
    wanted = {"OOMPolicy": "continue", "MemoryMax": str(2**30)}
    assert box.unit(UNIT, *wanted) == wanted


def test_the_agent_is_started_again_and_no_history_is_lost(box: Box, memory: Memory) -> None:
    agent, kept = pid(box), count_results(box)
    restarts = int(box.unit(UNIT, "NRestarts")["NRestarts"])
    process = psutil.Process(box.outside(agent))
    memory.eat(until=lambda: not process.is_running())
    assert memory.killed >= 2
    until(lambda: pid(box) not in (0, agent), "another agent", 60)
    memory.release()
    box.becomes(UNIT, ActiveState="active", SubState="running", NRestarts=str(restarts + 1))
    results(box)
    assert count_results(box) > kept
    assert query(box, "pragma integrity_check") == [["ok"]]

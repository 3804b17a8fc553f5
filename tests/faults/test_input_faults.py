"""NaN, infinity and values out of range on the inputs, played by a PLC one row after the other."""

import contextlib
import math
from collections.abc import Iterator

import pytest
from agent_process import INPUTS, AgentProcess, Plc, small_bundle, until
from modbus_proxy import Proxy, free_port
from plc_line import ADVISORY, FALLBACK, machine, start_plant

from edge_agent.core.tags import Reason

pytestmark = pytest.mark.sockets
GOOD, NAN, TOO_HIGH, INFINITE = "1500,60,40,4", "1500,,40,4", "1500,999,40,4", "1500,inf,40,4"
HIGH = (1800, 150, 100, 10)
ROWS = [GOOD, NAN, GOOD, TOO_HIGH, GOOD, INFINITE, GOOD]


class Player:
    """An agent on a PLC that plays `ROWS`."""

    def __init__(self, agent: AgentProcess, plc: Plc) -> None:
        self.agent, self.plc = agent, plc
        self.row = -1

    def show(self, row: str) -> None:
        """Go on to the next row, which must be this one."""
        self.row += 1
        assert ROWS[self.row] == row
        self.plc.write(902, [self.row])


@pytest.fixture(scope="module")
def player(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    folder = tmp_path_factory.mktemp("player")
    small_bundle(folder / "small.bundle", dense_tflite)
    recording = folder / "rows.csv"
    recording.write_text("\n".join([",".join(INPUTS), *ROWS]), encoding="utf-8")
    with contextlib.ExitStack() as stack:
        args = ("--playback", str(recording), "--step-register")
        plant = stack.enter_context(start_plant(free_port(), *args))
        proxy = stack.enter_context(Proxy(plant.modbus_port))
        config = folder / "player.toml"
        tags = ", ".join(
            f'{{ name = "{name}", table = "input", address = {2 * i}, type = "float32", high = {HIGH[i]} }}'
            for i, name in enumerate(INPUTS)
        )
        config.write_text(
            f'[agent]\nstate = "state"\n[device.a]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\n'
            f'port = {proxy.port}\nscan = "100ms"\ntags = [{tags}]\n' + machine("alpha", "a", "a"),
            encoding="utf-8",
        )
        plc = Plc(plant.modbus_port)
        agent = stack.enter_context(AgentProcess(config))
        player = Player(agent, plc)
        player.show(GOOD)
        yield player
        assert agent.terminate() == 0
        assert proxy.writes == {(16, 400, 20)}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(NAN, Reason.NOT_FINITE), (TOO_HIGH, Reason.OUT_OF_RANGE), (INFINITE, Reason.NOT_FINITE)],
)
def test_a_value_that_is_no_measurement_never_becomes_a_score(
    player: Player, bad: str, reason: Reason
) -> None:
    plc, agent = player.plc, player.agent
    until(lambda: plc.frame().state == ADVISORY, "results of good inputs")
    mark = len(agent.lines)
    player.show(bad)
    frame = plc.becomes(state=FALLBACK, reason=reason)
    assert math.isnan(frame.score)
    told = agent.machine("alpha")
    assert (told["culprit"], told["score"]) == ("load", None)
    assert (told["inputs"]["a.load"] is None) == (reason is Reason.NOT_FINITE)
    assert told["inputs"]["a.speed"] == 1500
    later = until(lambda: (f := plc.frame()).heartbeat != frame.heartbeat and f, "the heartbeat goes on")
    assert later.sequence == frame.sequence
    player.show(GOOD)
    until(lambda: plc.frame().state == ADVISORY, "results again")
    until(lambda: len(agent.told(mark)) >= 2, f"two lines, {agent.told(mark)}")
    assert [line.split(":")[0] for line in agent.told(mark)] == [
        "WARNING machine alpha",
        "INFO machine alpha",
    ]
    assert reason.name in agent.told(mark)[0]
    assert "load" in agent.told(mark)[0]

"""A bundle on a running agent: activated between two cycles, committed, refused, rolled back by itself."""

import contextlib
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import dense_model
import pytest
from agent_process import AgentProcess, Plc, until
from click.testing import CliRunner, Result
from modbus_proxy import free_port
from plc_line import ADVISORY, FAULT, device, machine, start_plant
from releases import keep, release

from edge_agent import bundle
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store
from edge_agent.cli import main
from edge_agent.core.tags import Reason

pytestmark = pytest.mark.sockets


def edge_agent(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bundle", *(str(a) for a in arguments)])


def record(config: Path) -> Record:
    return Store(config.parent / "state", "pump").read()


def results(config: Path) -> list[tuple[int, str, str]]:
    """Sequence, state and reason of every result that is in the history."""
    with contextlib.closing(sqlite3.connect(config.parent / "state/history.db")) as history:
        return history.execute("SELECT sequence, state, reason FROM result ORDER BY id").fetchall()


def events(config: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(config.parent / "state/history.db")) as history:
        return [text for (text,) in history.execute("SELECT text FROM event WHERE kind = 'bundle'")]


def one_machine_all_along(told: list[tuple[int, str, str]]) -> None:
    """From the first result on the model was never away, and results count on from bundle to bundle.

    A busy box may miss a tick or be late with a reply; `test_exchange` counts cycles in virtual time.
    """
    first = next(i for i, (_, _, reason) in enumerate(told) if reason == "NONE")
    assert not {"MODEL_DOWN", "STOPPED", "NEVER_READ"} & {reason for _, _, reason in told[first:]}
    valid = [sequence for sequence, _, reason in told[first:] if reason == "NONE"]
    assert valid == list(range(1, len(valid) + 1))


def unproven(folder: Path, tflite: bytes, sequence: int) -> Path:
    """A release whose known answers are not those of its model: it came past no canary."""
    path = release(folder, tflite, sequence)
    made = bundle.read(path)
    wrong = dense_model.known(made.known.inputs, made.known.outputs + 0.1)
    bundle.write(path, made.manifest, made.model, wrong)
    return path


@pytest.fixture(scope="module")
def plc() -> Iterator[Plc]:
    with start_plant(free_port()) as plant:
        yield Plc(plant.modbus_port)


@pytest.fixture
def configured(plc: Plc, dense_tflite: bytes, tmp_path: Path) -> Callable[..., Path]:
    """A configuration with releases 1 to 3 in the store, the first active, the third not to be proven."""

    def write(trial: str) -> Path:
        config, state = tmp_path / "c.toml", tmp_path / "state"
        text = (
            f'[agent]\nstate = "state"\ntrial = "{trial}"\n'
            + device("a", plc.port)
            + machine("alpha", "a", "a")
        )
        config.write_text(text.replace('"small.bundle"', '"pump"'), encoding="utf-8")
        keep(state, release(tmp_path, dense_tflite, 1))
        keep(state, release(tmp_path, dense_tflite, 2))
        keep(state, unproven(tmp_path, dense_tflite, 3))
        assert edge_agent("activate", "pump@1", "--config", config).exit_code == 0
        return config

    return write


def test_activation_loses_no_cycle_and_a_refused_one_changes_nothing(
    plc: Plc, configured: Callable[..., Path]
) -> None:
    config = configured("1s")
    with AgentProcess(config) as agent:
        until(lambda: record(config).committed, "the commit of 1")
        heartbeat = plc.frame().heartbeat
        said = edge_agent("activate", "pump@2", "--config", config)
        assert said.exit_code == 0, said.output
        assert "pump: 2 is active; running in alpha, on trial" in said.output
        assert agent.machine("alpha")["sequence"] == 2
        assert 0 <= plc.frame().heartbeat - heartbeat < 100
        until(lambda: record(config).committed, "the commit of 2")
        child = agent.child.pid
        said = edge_agent("activate", "pump@3", "--config", config)
        assert said.exit_code == 1
        assert "refused by the running agent: gave up 3: " in said.output
        assert "does not give the bundle's known answers" in said.output
        assert agent.child.pid == child
        assert record(config).active.startswith("000002-")
        said = edge_agent("rollback", "pump", "--config", config)
        assert said.exit_code == 1
        assert agent.terminate() == 0
    one_machine_all_along(results(config))
    kept = events(config)
    for said_so in ("committed 1, by agent", "activated 2, by ", "committed 2, by agent", "gave up 3: "):
        assert sum(said_so in line for line in kept) == 1, kept


def test_a_child_that_dies_again_and_again_brings_the_version_before_back(
    plc: Plc, configured: Callable[..., Path]
) -> None:
    config = configured("1h")
    with AgentProcess(config) as agent:
        until(lambda: plc.frame().state == ADVISORY, "results")
        assert edge_agent("activate", "pump@2", "--config", config).exit_code == 0
        until(lambda: "starts 1" in edge_agent("list", "--config", config).output, "its first start")
        for _ in range(3):
            running = until(lambda: agent.machine("alpha")["state"] == "ADVISORY" and agent.child, "a child")
            running.send_signal(signal.SIGKILL)
            until(lambda gone=running: not gone.is_running(), "its end")
            until(lambda: agent.machine("alpha")["state"] == "FAULT", "the fault")
            until(lambda: record(config).active.startswith("000001-") or agent.child, "another child")
        until(lambda: agent.machine("alpha")["sequence"] == 1, "the version before", 30)
        until(lambda: plc.frame().state == ADVISORY, "results again")
        assert "gave up 2: its child failed 3 times; back to 1" in record(config).journal[-1].what
        assert agent.terminate() == 0


def test_crashes_at_start_end_without_a_model_and_never_without_an_agent(
    plc: Plc, configured: Callable[..., Path]
) -> None:
    config = configured("1h")
    edge_agent("activate", "pump@2", "--config", config)

    def crash() -> None:
        with AgentProcess(config) as agent:
            until((agent.state / "status.sock").exists, "the agent")
            until(lambda: agent.machine("alpha"), "the machine")
        (agent.state / "status.sock").unlink()

    for _ in range(3):
        crash()
    assert (record(config).active[:6], record(config).attempts) == ("000002", 3)
    for _ in range(3):
        crash()
        assert record(config).active[:6] == "000001"
    with AgentProcess(config) as agent:
        plc.becomes(state=FAULT, reason=Reason.MODEL_DOWN)
        assert record(config).active == ""
        assert any("gave up sequence 1" in line for line in agent.lines)
        said = edge_agent("activate", "pump@1", "--config", config)
        assert said.exit_code == 0, said.output
        until(lambda: plc.frame().state == ADVISORY, "results again")
        # An orderly stop is no crash.
        assert agent.terminate() == 0
    assert record(config).attempts == 0


def test_a_version_that_was_damaged_on_the_disk_is_given_up_at_the_start(
    plc: Plc, configured: Callable[..., Path]
) -> None:
    config = configured("1h")
    edge_agent("activate", "pump@2", "--config", config)
    store = Store(config.parent / "state", "pump")
    kept = store.folder / store.version(2)
    kept.write_bytes(kept.read_bytes()[:-1])
    with AgentProcess(config) as agent:
        until(lambda: plc.frame().state == ADVISORY, "results")
        assert agent.machine("alpha")["sequence"] == 1
        assert agent.terminate() == 0
    assert "gave up 2: it cannot be read any more; back to 1" in [e.what for e in record(config).journal]


def test_a_candidate_runs_beside_the_active_one_and_is_promoted_when_it_has_shown_enough(
    plc: Plc, configured: Callable[..., Path]
) -> None:
    config = configured("1s")
    text = config.read_text(encoding="utf-8")
    config.write_text(text + "[machine.alpha.promotion]\ncycles = 20\n", encoding="utf-8")
    assert "there is no candidate" in edge_agent("promote", "pump", "--config", config).output
    with AgentProcess(config) as agent:
        until(lambda: plc.frame().state == ADVISORY, "results")
        before = agent.child.pid
        assert "told" in edge_agent("candidate", "pump@2", "--config", config).output
        until(lambda: agent.machine("alpha")["candidate"], "the candidate")
        early = edge_agent("promote", "pump", "--config", config)
        assert early.exit_code == 1
        assert " of 20 cycles" in early.output
        tally = until(
            lambda: (t := agent.machine("alpha")["candidate"])["tally"]["cycles"] > 25 and t, "25 cycles"
        )
        assert (tally["tally"]["flips"], tally["difference"], tally["lacks"]) == (0, 0.0, [])
        assert 0 < tally["p50"] <= tally["p99"]
        assert agent.machine("alpha")["sequence"] == 1
        said = edge_agent("promote", "pump", "--config", config)
        assert said.exit_code == 0, said.output
        assert agent.machine("alpha")["sequence"] == 2
        assert agent.machine("alpha")["candidate"] is None
        assert agent.child.pid != before
        assert edge_agent("candidate", "pump@1", "--config", config).exit_code == 0
        forced = edge_agent("promote", "pump", "--config", config, "--force")
        assert forced.exit_code == 0, forced.output
        assert agent.machine("alpha")["sequence"] == 1
        assert agent.terminate() == 0
    one_machine_all_along(results(config))
    assert any("promotion forced although alpha: " in line for line in events(config))

"""Sparkplug B against mosquitto: births, data on change, death, rebirth, the primary host, a broker away."""

import asyncio
import json
import random
import ssl
import time
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from authority import identity
from broker import History, Host, config_of, hosting, parts_of, table, telling
from cryptography.hazmat.primitives.serialization import Encoding
from mosquitto import Broker
from pysparkplug import DataType, Metric, NCmd

from edge_agent.device import Written
from edge_agent.north.mqtt.node import REBIRTH

pytestmark = pytest.mark.sockets
HOUR = 3600


async def send(broker: Broker, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish(topic, payload, qos=1, retain=retain)


async def test_it_is_born_with_all_that_it_can_say(broker: Broker, history: History, tmp_path: Path) -> None:
    history.add("pump", 1000.5, 0.25, alarm=True)
    history.commit()
    config = config_of(tmp_path / "state", "pump", "fan")
    async with hosting(broker) as host, telling(config, table(broker.port)):
        await host.until(lambda: host.of("DBIRTH", "fan"), "two devices are born")
        assert host.kinds() == ["NBIRTH", "DBIRTH", "DBIRTH"]
        assert [payload.seq for _, _, payload in host.heard] == [0, 1, 2]
        node = {m.name: m for m in host.of("NBIRTH")[0].metrics}
        assert (node["bdSeq"].value, node["bdSeq"].datatype) == (0, DataType.INT64)
        assert (node[REBIRTH].value, node[REBIRTH].alias) == (False, None)
        pump = {m.name: m for m in host.of("DBIRTH", "pump")[0].metrics}
        assert [pump[n].value for n in ("State", "Reason", "Score", "Alarm")] == [
            "ADVISORY",
            "NONE",
            0.25,
            True,
        ]
        assert pump["Score"].timestamp == 1_000_500
        assert (pump["Outputs/wear/Score"].value, pump["Outputs/wear/Value"].is_null) == (0.25, True)
        assert (pump["Inputs/a.flow"].value, pump["Inputs/a.speed"].is_null) == (1.0, True)
        assert pump["Bundle"].value == "dense 1"
        fan = {m.name: m for m in host.of("DBIRTH", "fan")[0].metrics}
        assert (fan["Score"].is_null, fan["Reason"].value) == (True, "NEVER_READ")
        aliases = [m.alias for k in ("pump", "fan") for m in host.of("DBIRTH", k)[0].metrics]
        assert None not in aliases
        assert len(set(aliases)) == len(aliases)
        assert "m3/h" in properties(host.raw[1][1], "Inputs/a.flow").values()


def properties(payload: bytes, name: str) -> dict[str, Any]:
    from pysparkplug._protobuf import Payload

    metric = next(m for m in Payload.FromString(payload).metrics if m.name == name)
    return {
        key: getattr(value, value.WhichOneof("value"))
        for key, value in zip(metric.properties.keys, metric.properties.values, strict=True)
    }


async def test_only_what_changed_is_told_by_alias(broker: Broker, history: History, tmp_path: Path) -> None:
    config = config_of(tmp_path / "state", "pump")
    parts = parts_of(config)
    async with hosting(broker) as host, telling(config, table(broker.port), parts):
        await host.until(lambda: host.of("DBIRTH", "pump"), "born")
        for at, score in ((10.0, 0.1), (11.0, 0.1), (12.0, None), (13.0, 0.4)):
            history.add("pump", at, score)
        history.commit()
        await host.until(lambda: len(host.told("pump", "Score")) == 3, "the score changed three times")
        assert host.told("pump", "Score", late=False) == [(10_000, 0.1), (12_000, None), (13_000, 0.4)]
        assert host.told("pump", "Inputs/a.flow") == [(10_000, 1.0)]
        assert [value for _, value in host.told("pump", "State")] == ["ADVISORY", "FALLBACK", "ADVISORY"]
        data = host.of("DDATA", "pump")
        assert all(not metric.name for payload in data for metric in payload.metrics)
        parts.machines[0].written[Written.VERIFIED] = 7
        await host.until(lambda: host.told("pump", "Writes/Verified"), "a counter")
        assert [value for _, value in host.told("pump", "Writes/Verified")] == [7]
        seqs = [payload.seq for _, _, payload in host.heard]
        assert seqs == [n % 256 for n in range(len(seqs))]


async def test_it_is_born_again_when_asked(broker: Broker, history: History, tmp_path: Path) -> None:
    config = config_of(tmp_path / "state", "pump")
    async with hosting(broker) as host, telling(config, table(broker.port)):
        await host.until(lambda: host.of("DBIRTH", "pump"), "born")
        history.add("pump", 10.0, 0.7)
        history.commit()
        await host.until(lambda: host.told("pump", "Score"), "data")
        command = NCmd(1, (Metric(1, REBIRTH, DataType.BOOLEAN, value=True),))
        await send(broker, "spBv1.0/plant/NCMD/gw", b"\xff not a payload")
        await send(broker, "spBv1.0/plant/NCMD/gw", command.encode(include_dtypes=True))
        await host.until(lambda: len(host.of("DBIRTH", "pump")) == 2, "born again")
        first, second = host.of("NBIRTH")
        assert second.seq == 0
        assert [m.value for m in first.metrics if m.name == "bdSeq"] == [
            m.value for m in second.metrics if m.name == "bdSeq"
        ]
        score = next(m for m in host.of("DBIRTH", "pump")[1].metrics if m.name == "Score")
        assert (score.value, score.timestamp) == (0.7, 10_000)


async def test_its_death_is_told_when_it_ends_and_when_it_is_cut(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    config = config_of(tmp_path / "state", "pump")
    async with hosting(broker) as host:
        async with telling(config, table(broker.port)):
            await host.until(lambda: host.of("DBIRTH", "pump"), "born")
        await host.until(lambda: host.of("NDEATH"), "the death of an orderly end")
        line = Line(broker.port)
        async with line.open() as port, telling(config, table(port)):
            await host.until(lambda: len(host.of("NBIRTH")) == 2, "born again")
            line.cut()
            await host.until(lambda: len(host.of("NDEATH")) == 2, "the broker tells the will")
            await host.until(lambda: len(host.of("NBIRTH")) == 3, "born a third time")
    births = [next(m.value for m in b.metrics if m.name == "bdSeq") for b in host.of("NBIRTH")]
    assert births == [0, 1, 2]
    assert [death.bd_seq_metric.value for death in host.of("NDEATH")[:2]] == [0, 1]


class Line:
    """A TCP proxy that can be cut, now or after so many bytes to the broker."""

    def __init__(self, target: int) -> None:
        self._target, self._writers = target, set[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()
        self.cut_after: float = float("inf")
        self.refuses = False

    def open(self) -> Any:
        import contextlib

        @contextlib.asynccontextmanager
        async def opened() -> Any:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            try:
                yield server.sockets[0].getsockname()[1]
            finally:
                server.close()
                self.cut()
                await asyncio.gather(*self._tasks, return_exceptions=True)

        return opened()

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        if self.refuses:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer, True), self._pump(far_reader, writer, False))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, north: bool) -> None:
        try:
            while data := await reader.read(4096):
                if north:
                    allowed = max(0, int(min(self.cut_after, len(data))))
                    self.cut_after -= len(data)
                    writer.write(data[:allowed])
                    await writer.drain()
                    if self.cut_after <= 0:
                        self.cut_after = float("inf")
                        self.cut()
                        return
                else:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


def an_hour(history: History, start: float, machines: tuple[str, ...]) -> dict[str, list[tuple[int, float]]]:
    """An hour of results, one a second and machine, every one with a score of its own."""
    rng = random.Random(5)
    said: dict[str, list[tuple[int, float]]] = {name: [] for name in machines}
    for second in range(HOUR):
        for name in machines:
            score = rng.random()
            history.add(name, start + second, score)
            said[name].append((round((start + second) * 1000), score))
    history.commit()
    return said


def waiting(host: Host) -> list[int]:
    return [m.value for payload in host.of("NDATA") for m in payload.metrics if m.alias == 1]


async def test_results_that_waited_come_after_what_is_new(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    """In order, marked as historical, none twice; see test_an_hour_away for the hour itself."""
    config = config_of(tmp_path / "state", "pump", "fan")
    history.add("pump", 1.0, 0.5)
    history.commit()
    line = Line(broker.port)
    async with (
        hosting(broker) as host,
        line.open() as port,
        telling(config, table(port, forward=400)) as publisher,
    ):
        await host.until(lambda: host.of("DBIRTH", "fan"), "born")
        line.refuses = True
        line.cut()
        await host.until(lambda: host.of("NDEATH"), "the broker misses it")
        said = an_hour(history, 5000.0, ("pump", "fan"))
        await asyncio.sleep(0.5)
        assert len(host.of("NBIRTH")) == 1
        line.refuses = False
        await host.until(lambda: len(host.of("DBIRTH", "fan")) == 2, "born again")
        history.add("pump", 9000.0, 2.0)
        history.commit()
        await host.until(lambda: host.told("pump", "Score", late=False), "what is new")
        assert publisher.waiting > 0, "what is new does not wait for what is old"
        waits = partial(waiting, host)
        await host.until(lambda: waits() and waits()[-1] == 0, "all is told")
    assert waits() == sorted(waits(), reverse=True)
    assert host.told("pump", "Score", late=True) == said["pump"]
    assert host.told("fan", "Score", late=True) == said["fan"]
    assert host.told("pump", "Score", late=False) == [(9_000_000, 2.0)]


async def test_a_line_that_is_cut_anywhere_loses_nothing(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    """What was under way comes again, with the same time: nothing else can be known of it (decision 0022)."""
    config = config_of(tmp_path / "state", "pump")
    rng = random.Random(11)
    line = Line(broker.port)
    async with hosting(broker) as host, line.open() as port:
        async with telling(config, table(port)):
            await host.until(lambda: host.of("DBIRTH", "pump"), "born")
        said = an_hour(history, 5000.0, ("pump",))["pump"]
        async with telling(config, table(port, forward=100)) as publisher:
            for _ in range(6):
                line.cut_after = rng.randrange(2000, 20_000)
                births = len(host.of("NBIRTH"))
                await host.until(lambda b=births: len(host.of("NBIRTH")) > b, "born again")
            line.cut_after = float("inf")
            await host.until(
                lambda: publisher.waiting == 0 and len(host.told("pump", "Score")) >= HOUR, "all"
            )
            told = host.told("pump", "Score")
    assert set(told) == set(said)
    again = len(told) - len(set(told))
    assert again <= 6 * 100, "no more comes twice than was under way"
    first_time = list(dict.fromkeys(told))
    assert first_time == said, "in order, but for what came twice"


async def test_a_restart_goes_on_where_it_stopped(broker: Broker, history: History, tmp_path: Path) -> None:
    config = config_of(tmp_path / "state", "pump")
    async with hosting(broker) as host:
        for run in range(3):
            async with telling(config, table(broker.port)):
                await host.until(lambda r=run: len(host.of("DBIRTH", "pump")) == r + 1, "born")
                history.add("pump", 10.0 + run, 0.1 * run)
                history.commit()
                await host.until(lambda r=run: len(host.told("pump", "Score")) == 2 * r + 1, "told")
                await asyncio.sleep(0.2)
            history.add("pump", 10.5 + run, 0.1 * run + 0.05)
            history.commit()
            if run == 2:
                break
            async with telling(config, table(broker.port)):
                pass
        assert [at for at, _ in host.told("pump", "Score")] == sorted(
            {at for at, _ in host.told("pump", "Score")}
        )


async def test_it_waits_for_the_primary_host(broker: Broker, history: History, tmp_path: Path) -> None:
    config = config_of(tmp_path / "state", "pump")
    state = "spBv1.0/STATE/SCADA"
    async with hosting(broker) as host, telling(config, table(broker.port, primary="SCADA")):
        await send(broker, state, "garbage")
        await send(broker, state, json.dumps({"online": False, "timestamp": 1}), retain=True)
        await asyncio.sleep(0.3)
        assert host.heard == []
        await send(broker, state, json.dumps({"online": True, "timestamp": 2}), retain=True)
        await host.until(lambda: host.of("DBIRTH", "pump"), "born once the host is there")
        await send(broker, state, json.dumps({"online": False, "timestamp": 1}), retain=False)
        await asyncio.sleep(0.3)
        assert host.of("NDEATH") == [], "an old word of the host counts for nothing"
        await send(broker, state, json.dumps({"online": False, "timestamp": 3}), retain=True)
        await host.until(lambda: host.of("NDEATH"), "dies with the host")
        history.add("pump", 10.0, 0.3)
        history.commit()
        await asyncio.sleep(0.3)
        assert len(host.of("NBIRTH")) == 1
        await send(broker, state, json.dumps({"online": True, "timestamp": 4}), retain=True)
        await host.until(lambda: host.told("pump", "Score", late=True), "what waited is told")
        assert host.told("pump", "Score") == [(10_000, 0.3)]


async def test_other_inputs_are_not_told_under_new_names(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    config = config_of(tmp_path / "state", "pump")
    async with hosting(broker) as host, telling(config, table(broker.port)):
        await host.until(lambda: host.of("DBIRTH", "pump"), "born")
    history.add("pump", time.time(), 0.3, inputs=[1.0, 2.0, 3.0, 4.0])
    history.commit()
    turned = config_of(tmp_path / "state", "pump", inputs=["a.head", "a.flow", "a.speed", "a.power"])
    async with hosting(broker) as host, telling(turned, table(broker.port)):
        await host.until(lambda: host.told("pump", "Score"), "the result of before")
        assert host.told("pump", "Inputs/a.flow") == []
        history.add("pump", time.time() + 10, 0.4, inputs=[20.0, 10.0, 3.0, 4.0])
        history.commit()
        await host.until(lambda: host.told("pump", "Inputs/a.flow"), "the inputs of now")
        assert [v for _, v in host.told("pump", "Inputs/a.flow")] == [10.0]


async def test_at_the_first_start_there_is_no_history_yet_and_that_is_no_trouble(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(tmp_path / "state", "pump")
    (tmp_path / "state").mkdir()
    async with hosting(broker) as host, telling(config, table(broker.port)):
        await host.until(lambda: host.of("DBIRTH", "pump"), "the birth")
        begun = History(tmp_path / "state")
        begun.add("pump", 1.0, 0.25)
        begun.commit()
        await host.until(lambda: host.told("pump", "Score"), "the first result")
        begun.close()
    assert not [record for record in caplog.records if "history" in record.getMessage()]


async def test_what_the_history_dropped_is_counted(broker: Broker, history: History, tmp_path: Path) -> None:
    config = config_of(tmp_path / "state", "pump")
    history.add("pump", 1.0, 0.1)
    history.commit()
    async with hosting(broker) as host, telling(config, table(broker.port)):
        await host.until(lambda: host.of("DBIRTH", "pump"), "born")
    for i in range(100):
        history.add("pump", 2.0 + i, i / 100)
    history.commit()
    history.drop(42)
    async with hosting(broker) as host, telling(config, table(broker.port)) as publisher:
        await host.until(lambda: len(host.told("pump", "Score")) == 60, "what is still there")
        assert publisher.lost == 40
        birth = {m.name: m.value for m in host.of("NBIRTH")[0].metrics}
        assert birth["Agent/Results lost"] == 40


async def test_a_changed_configuration_is_a_new_birth(
    broker: Broker, history: History, tmp_path: Path
) -> None:
    config = config_of(tmp_path / "state", "pump", "fan")
    async with hosting(broker) as host, telling(config, table(broker.port)) as publisher:
        await host.until(lambda: host.of("DBIRTH", "fan"), "born")
        publisher.parts[0] = parts_of(config_of(tmp_path / "state", "pump"))
        await host.until(lambda: len(host.of("DBIRTH", "pump")) == 2, "born again")
        assert host.kinds()[3] == "NDEATH"
        await asyncio.sleep(0.2)
        assert len(host.of("DBIRTH", "fan")) == 1


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
async def test_tls_with_certificates_on_both_sides(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    authority = identity("authority", ca=True, hosts=())
    stranger = identity("stranger", ca=True, hosts=())
    server = identity("server", issuer=authority)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    files = {
        "ca": authority.certificate.public_bytes(Encoding.PEM),
        "other-ca": stranger.certificate.public_bytes(Encoding.PEM),
        "server": server.pem,
        "gateway": identity("gateway", issuer=authority).pem,
        "login": b"gateway\nsecret\n",
    }
    for name, data in files.items():
        (credentials / name).touch(0o600)
        (credentials / name).write_bytes(data)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    broker = Broker(
        tmp_path,
        "allow_anonymous true",
        f"cafile {credentials / 'ca'}",
        f"certfile {credentials / 'server'}",
        f"keyfile {credentials / 'server'}",
        "require_certificate true",
    ).start()
    config = config_of(tmp_path / "state", "pump")
    tls = ssl.create_default_context(cafile=str(credentials / "ca"))
    tls.load_cert_chain(credentials / "gateway")
    try:
        async with hosting(broker, tls_context=tls) as host:
            for wrong, told in (
                ({"ca": "other-ca", "certificate": "gateway"}, "CERTIFICATE_VERIFY_FAILED"),
                ({"ca": "ca"}, "CERTIFICATE_REQUIRED"),
                ({"ca": "none"}, "credential none"),
            ):
                async with telling(config, table(broker.port, tls=True, **wrong)):
                    async with asyncio.timeout(20):
                        while not any(told in said for said in caplog.messages):  # noqa: ASYNC110 - a log sets no event
                            await asyncio.sleep(0.05)
                assert host.heard == [], wrong
            right = {"ca": "ca", "certificate": "gateway", "login": "login"}
            async with telling(config, table(broker.port, tls=True, **right)):
                await host.until(lambda: host.of("DBIRTH", "pump"), "born over TLS")
    finally:
        broker.kill()
    assert "secret" not in " ".join(caplog.messages)

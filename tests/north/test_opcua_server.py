"""The results over OPC UA, read by clients that nobody here wrote: node-opcua, and asyncua's own."""

import asyncio
from pathlib import Path
from typing import Any

import dense_model
import msgspec
import psutil
import pytest
from asyncua import Client, ua
from click.testing import CliRunner
from opcua_site import SCADA, Gateway, becomes, node_client, reading, said, seen, value

from edge_agent.cli import main
from edge_agent.north.opcua import host
from edge_agent.north.opcua.machinery import DEVICES, MACHINERY
from edge_agent.north.opcua.nameplate import Nameplate
from edge_agent.north.opcua.site import Output, Seen
from edge_agent.pki.certificate import thumbprint
from edge_agent.pki.folder import PkiFolder
from edge_agent.status import MachineStatus, OutputStatus

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize(("shown", "told"), [(Seen, MachineStatus), (Output, OutputStatus)])
def test_what_is_shown_is_what_the_agent_says(shown: Any, told: Any) -> None:
    types = {field.name: field.type for field in msgspec.structs.fields(told)}
    for field in msgspec.structs.fields(shown):
        if field.name != "outputs":
            assert types[field.name] == field.type


async def test_who_is_trusted_reads_and_who_is_not_does_not(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    async with gateway.serving():
        with pytest.raises(ua.UaError):
            async with reading(gateway, SCADA, tmp_path):
                pass
        (rejected,) = gateway.pki.listed("rejected")
        assert rejected[1] == SCADA.certificate
        with pytest.raises((ua.UaError, TimeoutError, ConnectionError)):
            async with Client(gateway.url, timeout=3) as unsecured:
                await value(unsecured, "pump/Score")
        gateway.pki.add("trusted/certs", SCADA.der, "scada.der")
        async with reading(gateway, SCADA, tmp_path) as client:
            assert (await becomes(client, "pump/Score", "Good")).Value.Value == 0.25
            assert (await value(client, "pump/State")).Value.Value == "ADVISORY"
            assert (await value(client, "pump/Inputs/a.flow")).Value.Value == 12.5
            units = await value(client, "pump/Inputs/a.flow/EngineeringUnits")
            assert (units.Value.Value.DisplayName.Text, units.Value.Value.UnitId) == ("m3/h", 5_067_080)
            assert (await value(client, "pump/Inputs/a.head")).StatusCode.name == "BadNoData"
            gateway.said = seen(score=None, state="FALLBACK", reason="TIMEOUT")
            await becomes(client, "pump/Score", "BadNoData")
            assert (await value(client, "pump/Reason")).Value.Value == "TIMEOUT"
            gateway.said = b""
            await becomes(client, "pump/State", "BadNoCommunication")


async def test_machines_are_where_the_companion_specification_says(tmp_path: Path) -> None:
    plate = Nameplate(manufacturer="Müller", serial="4711", uri="https://mueller.example/4711", model="P 7")
    gateway = Gateway(tmp_path, nameplate=plate)
    gateway.pki.add("trusted/certs", SCADA.der, "scada.der")
    async with gateway.serving(), reading(gateway, SCADA, tmp_path) as client:
        machinery, devices = [await client.get_namespace_index(uri) for uri in (MACHINERY, DEVICES)]
        machines = await client.nodes.objects.get_child([f"{machinery}:Machines"])
        assert machines.nodeid == ua.NodeId(1001, machinery)
        assert await machines.read_event_notifier() == {ua.EventNotifier.SubscribeToEvents}
        pump, fan = await machines.get_children()
        assert [(await m.read_browse_name()).Name for m in (pump, fan)] == ["pump", "fan"]
        (add_in,) = await pump.get_referenced_nodes(ua.ObjectIds.HasAddIn, ua.BrowseDirection.Forward)
        assert await fan.get_referenced_nodes(ua.ObjectIds.HasAddIn, ua.BrowseDirection.Forward) == []
        assert await add_in.read_browse_name() == ua.QualifiedName("Identification", devices)
        kind = client.get_node(await add_in.read_type_definition())
        assert kind.nodeid == ua.NodeId(1012, machinery)
        told = [((await p.read_browse_name()).to_string(), p) for p in await add_in.get_properties()]
        assert {name: await p.read_value() for name, p in told} == {
            f"{devices}:Manufacturer": ua.LocalizedText("Müller"),
            f"{devices}:SerialNumber": "4711",
            f"{devices}:ProductInstanceUri": "https://mueller.example/4711",
            f"{devices}:Model": ua.LocalizedText("P 7"),
        }
        declared = {"0:DefaultInstanceBrowseName", *(name for name, _ in told)} - {f"{devices}:Model"}
        while kind.nodeid != ua.NodeId(ua.ObjectIds.FolderType):
            for declaration in await kind.get_properties():
                declared.remove((await declaration.read_browse_name()).to_string())
            kind = await kind.get_parent()
        assert declared == set()


async def test_a_warning_is_a_condition_of_its_own_and_less_severe(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    machines = "ns={machinery};i=1001"
    async with gateway.serving(), node_client(gateway, tmp_path, machines) as client:
        while await said(client) != {"listens": True}:
            pass
        gateway.said = seen(warning_state="UNACKNOWLEDGED", score=0.6)
        warning = (await said(client))["event"]
        assert warning["Message"] == "pump: warning of wear raised, score 0.6"
        assert (warning["ConditionName"], warning["Severity"]) == ("wear warning", 200)
        assert [warning[f] for f in ("ActiveState.Id", "AckedState.Id", "Retain")] == [True, False, True]
        gateway.said = seen(warning_state="UNACKNOWLEDGED", alarm_state="UNACKNOWLEDGED", score=0.9)
        alarm = (await said(client))["event"]
        assert (alarm["ConditionName"], alarm["Severity"]) == ("wear", 900)
        assert alarm["ConditionId"] != warning["ConditionId"]
        gateway.said = seen(warning_state="NORMAL", alarm_state="UNACKNOWLEDGED", score=0.9)
        over = (await said(client))["event"]
        assert (over["ConditionId"], over["Retain"]) == (warning["ConditionId"], False)
        async with reading(gateway, SCADA, tmp_path) as other:
            assert (await becomes(other, "pump/Outputs/wear/Alarm", "Good")).Value.Value is True
            assert (await value(other, "pump/Outputs/wear/Warning")).Value.Value is False


async def test_another_client_reads_is_told_of_alarms_and_cannot_write(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    async with gateway.serving(), node_client(gateway, tmp_path, "ns={index};s=pump") as client:
        assert await said(client) == {"read": [["Good", 0.25], ["Good", False], ["BadNoData", None]]}
        assert await said(client) == {"written": "BadUserAccessDenied"}
        assert await said(client) == {"listens": True}
        gateway.said = seen(alarm=True, alarm_state="ACKNOWLEDGED", score=0.75)
        raised = (await said(client))["event"]
        assert raised["Message"] == "pump: alarm of wear raised, score 0.75"
        assert (raised["ConditionName"], raised["Severity"], raised["Retain"]) == ("wear", 900, True)
        assert (raised["ActiveState.Id"], raised["AckedState.Id"]) == (True, True)
        gateway.said = seen()
        over = (await said(client))["event"]
        assert over["Message"] == "pump: alarm of wear over, score 0.25"
        assert (over["Severity"], over["Retain"], over["ActiveState.Id"]) == (100, False, False)
        assert over["EventId"] != raised["EventId"]


async def test_its_process_ends_with_the_agent_and_is_started_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "FIRST_WAIT", 0.1)
    gateway = Gateway(tmp_path)

    def children() -> list[psutil.Process]:
        found = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
        return [p for p in found if "north.opcua.server" in " ".join(p.cmdline())]

    async with gateway.serving():
        (child,) = children()
        child.kill()
        async with asyncio.timeout(60):
            await gateway._listens_again(lambda: children() not in ([], [child]))
    assert children() == []


def test_its_clients_are_trusted_by_the_commands_for_certificates(tmp_path: Path, dense_bundle: Path) -> None:
    config = tmp_path / "config.toml"
    tags = [f'{{ name = "{n}", table = "input", address = {i} }}' for i, n in enumerate(dense_model.NAMES)]
    config.write_text(
        '[agent]\nstate = "state"\n[opcua-server]\nlisten = "127.0.0.1:4840"\n'
        f'[device.a]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\ntags = [{", ".join(tags)}]\n'
        f'[machine.pump]\nbundle = "{dense_bundle}"\n[machine.pump.inputs]\n'
        + "".join(f'{n} = "a.{n}"\n' for n in dense_model.NAMES)
    )
    folder = PkiFolder(tmp_path / "state" / "pki")
    folder.reject(SCADA.certificate)
    said = CliRunner().invoke(main, ["pki", "trust", str(config), thumbprint(SCADA.certificate)[:8]])
    assert said.exit_code == 0, said.output
    assert folder.trust().trusted == [SCADA.certificate]

"""Security with a server that nobody here wrote, node-opcua: every policy, and both sides' refusals."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from authority import NOW, Identity, crl, identity
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from node_opcua import NodeServer
from opcua_process import free_port, tags

from edge_agent.cli import main
from edge_agent.core.tags import Quality
from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import PATIENCE, Insecure
from edge_agent.drivers.opcua.driver import OpcUa
from edge_agent.drivers.opcua.explain import explain
from edge_agent.drivers.opcua.security import POLICIES, Security
from edge_agent.pki.certificate import thumbprint
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets
PLC, OPERATOR = identity("plc", hosts=("localhost",)), identity("operator")


class Site:
    """A server that knows our first certificate, and our pki folder, which knows nobody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = PkiFolder(folder / "pki")
        policies = ["Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep", "Basic256Sha256"]
        self.server = NodeServer(folder, free_port(), PLC, policies=policies, users={"press": "sésame"})
        self.server.trust(self.pki.own(datetime.now(UTC))[0].file.read_bytes())
        self.server.trust(OPERATOR.der, "operator")

    def trusts(self, *servers: Identity) -> None:
        for file, _ in self.pki.listed("trusted/certs"):
            file.unlink()
        for number, server in enumerate(servers):
            self.pki.add("trusted/certs", server.der, f"{number}.der")

    async def value(self, **security: Any) -> float:
        driver = OpcUa(self.server.url, 5, Security(self.pki.folder, **security))
        plan = driver.plan_read(tags("Vibration"))
        try:
            await driver.connect()
            sample = (await driver.read(plan))[0]
        finally:
            await driver.close()
        assert sample.quality == Quality.GOOD
        return sample.value


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("secured"))
    site.server.start()
    yield site
    site.server.kill()


@pytest.fixture
def site(running: Site) -> Site:
    running.trusts(PLC)
    return running


@pytest.mark.parametrize("mode", ["sign-and-encrypt", "sign"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_every_policy_in_both_modes(site: Site, policy: str, mode: str) -> None:
    assert await site.value(policy=policy, mode=mode) == 1.5


async def test_an_unknown_server_is_refused_and_kept_for_an_operator(site: Site) -> None:
    site.trusts()
    with pytest.raises(Insecure, match=r"plc: thumbprint: .* is not in trusted/certs") as refused:
        await site.value()
    assert (refused.value.status, refused.value.ours) == ("BadCertificateUntrusted", False)
    assert refused.value.patience == PATIENCE
    [(file, certificate)] = site.pki.listed("rejected")
    assert certificate == PLC.certificate
    file.rename(site.pki.folder / "trusted/certs" / file.name)
    assert await site.value() == 1.5


async def test_the_host_in_the_url_has_to_be_the_certificates(site: Site) -> None:
    site.server.url = f"opc.tcp://127.0.0.1:{site.server.port}"
    try:
        with pytest.raises(Insecure, match=r"is for localhost, not for 127\.0\.0\.1"):
            await site.value()
        assert await site.value(verify_host=False) == 1.5
    finally:
        site.server.url = f"opc.tcp://localhost:{site.server.port}"


async def test_a_server_with_the_deprecated_policies_alone_gets_nothing(tmp_path: Path) -> None:
    policies = ["Basic256", "Basic128Rsa15"]
    server = NodeServer(tmp_path, free_port(), PLC, policies=policies)
    pki = PkiFolder(tmp_path / "pki")
    pki.add("trusted/certs", PLC.der, "plc.der")
    server.trust((await asyncio.to_thread(pki.own, datetime.now(UTC)))[0].file.read_bytes())
    await asyncio.to_thread(server.start)
    driver = OpcUa(server.url, 5, Security(pki.folder))
    try:
        with pytest.raises(
            Insecure, match=r"wanted is Aes256_Sha256_RsaPss or .* in mode SignAnd"
        ) as refused:
            await driver.connect()
        assert all(f"{policy} SignAndEncrypt" in str(refused.value) for policy in policies)
        assert not refused.value.ours
    finally:
        await driver.close()
        server.kill()


class TestLogin:
    @pytest.fixture(autouse=True)
    def credentials(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        pem = OPERATOR.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for name, data in {
            "right": "press\nsésame\n".encode(),
            "wrong": b"press\nopen\n",
            "certificate": OPERATOR.certificate.public_bytes(Encoding.PEM) + pem,
        }.items():
            (tmp_path / name).touch(0o600)
            (tmp_path / name).write_bytes(data)

    @pytest.mark.parametrize("login", ["right", "certificate"])
    @pytest.mark.parametrize("mode", ["sign-and-encrypt", "sign"])
    async def test_by_name_and_by_certificate(self, site: Site, login: str, mode: str) -> None:
        assert await site.value(login=login, mode=mode) == 1.5

    async def test_a_wrong_password_is_the_servers_refusal(self, site: Site) -> None:
        with pytest.raises(Insecure, match="BadUserAccessDenied") as refused:
            await site.value(login="wrong")
        assert refused.value.ours
        assert "open" not in str(refused.value)

    async def test_a_credential_that_is_not_there_is_named(self, site: Site) -> None:
        with pytest.raises(LinkDown, match=r"credential missing: .*No such file"):
            await site.value(login="missing")


async def test_a_successor_of_our_certificate_is_used_once_the_server_trusts_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    newer = await asyncio.to_thread(site.pki.renew, datetime.now(UTC))
    assert await site.value() == 1.5
    [line] = [r.getMessage() for r in caplog.records if r.name.startswith("edge_agent")]
    assert f"does not take our new certificate {newer.file.name} yet: BadSecurityChecksFailed" in line
    site.server.trust_the_rejected_alone()
    opened = f"session: opened with {newer.file.name}"
    async with asyncio.timeout(30):
        while opened not in str(await explain(site.server.url, 5, Security(site.pki.folder))):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.1)
    caplog.clear()
    assert await site.value() == 1.5
    assert [r.getMessage() for r in caplog.records if r.name.startswith("edge_agent")] == []
    assert site.pki.own(datetime.now(UTC))[0] == newer


class TestCommands:
    @pytest.fixture
    def config(self, site: Site) -> str:
        file = site.folder / "plant.toml"
        file.write_text(
            f'[agent]\nstate = "."\n[device.press]\ndriver = "opc-ua"\nurl = "{site.server.url}"\n'
            'timeout = "5s"\ntags = [{ name = "vib", node = "nsu=urn:test:plant;s=Vibration" }]\n',
            encoding="utf-8",
        )
        return str(file)

    def run(self, *words: str, code: int = 0) -> str:
        ended = CliRunner().invoke(main, list(words))
        assert ended.exit_code == code, ended.output
        return ended.output

    def test_from_refused_to_trusted_by_the_commands_alone(self, site: Site, config: str) -> None:
        site.trusts()
        said = self.run("pki", "explain", config, code=1)
        assert "taken: Aes256_Sha256_RsaPss, SignAndEncrypt" in said
        assert "REFUSED: plc: thumbprint:" in said
        mark = thumbprint(PLC.certificate)
        assert said.splitlines()[-1].endswith(f"edge-agent pki trust CONFIG {mark[:8]}")
        assert f"rejected       {mark}" in self.run("pki", "list", config)
        assert self.run("pki", "trust", config, mark[:8]) == f"trusted: plc {mark}\n"
        assert "session: opened with" in self.run("pki", "explain", config, "press")
        assert "1.5" in self.run("read", config)
        assert self.run("pki", "reject", config, mark) == f"rejected: plc {mark}, was in trusted\n"
        assert "BadCertificateUntrusted" in self.run("read", config, code=1)

    def test_browsing_without_security_tells_what_the_server_wants(self, site: Site) -> None:
        said = self.run("browse", site.server.url, "--insecure", code=1)
        assert "takes no anonymous session without security (BadSecurityModeRejected); it offers " in said
        assert "Basic256Sha256 SignAndEncrypt" in said
        assert "and the logins Anonymous, Certificate, UserName; describe it as a [device.NAME]" in said

    def test_explain_names_our_certificate_when_the_server_refuses_it(self, site: Site, config: str) -> None:
        assert "made " in self.run("pki", "renew", config)
        listed = json.loads(self.run("pki", "list", config, "--json"))
        newest = next(Path(one["file"]).name for one in listed if one["part"] == "own/certs")
        said = self.run("pki", "explain", config)
        assert "REFUSED by the server: " in said
        assert "BadSecurityChecksFailed: thumbprint: not trusted there" in said
        assert newest in said

    def test_of_one_that_was_issued_to_us_the_server_needs_the_authority(
        self, site: Site, config: str
    ) -> None:
        uri = site.pki.own(datetime.now(UTC))[0].uri
        issued = identity("agent", issuer=identity("office", ca=True), uri=uri, start=NOW)
        certificate, key = issued.save(site.pki.folder, "agent")
        key.chmod(0o600)
        own = certificate.rename(site.pki.folder / "own/certs/agent.der")
        key.rename(site.pki.folder / "own/private/agent.pem")
        said = self.run("pki", "explain", config)
        own.unlink()
        assert "office issued it: the server needs the certificate of office and its revocation list" in said

    def test_a_file_can_be_trusted_and_anything_else_is_told(
        self, site: Site, config: str, tmp_path: Path
    ) -> None:
        works = identity("works", ca=True)
        certificate, _ = works.save(tmp_path, "works")
        assert self.run("pki", "trust", config, str(certificate), "--issuer").startswith("issuers: works")
        (tmp_path / "works.crl").write_bytes(crl(works).public_bytes(Encoding.DER))
        said = self.run("pki", "trust", config, str(tmp_path / "works.crl"))
        assert said == f"trusted: revocation list of works, next update {NOW + timedelta(days=7):%Y-%m-%d}\n"
        (tmp_path / "note").write_text("hello", encoding="utf-8")
        assert "neither" in self.run("pki", "trust", config, str(tmp_path / "note"), code=1)
        assert "there are: " in self.run("pki", "trust", config, "ffffffff", code=1)
        assert "no OPC UA device 'pres'" in self.run("pki", "explain", config, "pres", code=1)


async def test_after_a_restart_another_key_is_refused_and_a_moved_namespace_is_found(site: Site) -> None:
    works = identity("line works", ca=True, uri="", hosts=())
    swapped = identity("plc", hosts=("localhost",), size=3072, issuer=works)
    site.server.kill()
    site.server.present(swapped)
    site.server.options["namespaces"] = ["urn:other:a", "urn:other:b"]
    site.server.start()
    with pytest.raises(Insecure, match="in trusted/certs"):
        await site.value()
    site.trusts(swapped)
    assert await site.value() == 1.5
    await its_authority_is_trusted_until_it_revokes(site, works, swapped)


async def its_authority_is_trusted_until_it_revokes(site: Site, works: Identity, server: Identity) -> None:
    def add_list(*revoked: Identity) -> None:
        site.pki.add("issuers/crl", crl(works, *revoked).public_bytes(Encoding.DER), "works.crl")

    site.trusts(works)
    with pytest.raises(Insecure, match="there is no revocation list of line works"):
        await site.value()
    add_list()
    assert await site.value() == 1.5
    add_list(server)
    with pytest.raises(Insecure, match="plc: serialNumber: was revoked by line works on 20") as refused:
        await site.value()
    assert (refused.value.status, refused.value.ours) == ("BadCertificateRevoked", False)

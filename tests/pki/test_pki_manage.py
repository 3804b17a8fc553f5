"""`edge-agent pki` with files that openssl made: thumbprints, chains, lists, what does not belong."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from authority import URI, identity
from click.testing import CliRunner
from openssl_authority import Works

from edge_agent.cli import main
from edge_agent.pki.certificate import read_certificate, read_crl, thumbprint
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.verify import Objection, Peer, objections

pytestmark = pytest.mark.sockets
PEER = Peer("localhost", URI)


@pytest.fixture(scope="module", params=["rsa:2048", "ec"])
def works(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Works:
    return Works(tmp_path_factory.mktemp("works"), request.param)


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder, self.pki = folder, PkiFolder(folder / "pki")
        self.config = folder / "plant.toml"
        self.config.write_text(
            '[agent]\nstate = "."\n[device.press]\ndriver = "opc-ua"\nurl = "opc.tcp://localhost:1"\n'
            'tags = [{ name = "vib", node = "nsu=urn:test:plant;s=Vibration" }]\n'
        )

    def run(self, command: str, *words: str | Path, code: int = 0) -> str:
        ended = CliRunner().invoke(main, ["pki", command, str(self.config), *map(str, words)])
        assert ended.exit_code == code, ended.output
        return ended.output

    def listed(self) -> list[dict[str, Any]]:
        return json.loads(self.run("list", "--json"))

    def objections(self, works: Works) -> list[Objection]:
        plc = read_certificate(works.folder / "plc.pem")
        return objections([plc], self.pki.trust(), PEER, datetime.now(UTC))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_lists_of_an_authority_are_believed_whatever_its_key(works: Works, site: Site) -> None:
    site.run("trust", works.folder / "works.pem")
    [missing] = site.objections(works)
    assert missing.status == "BadCertificateRevocationUnknown"
    assert "there is no revocation list of works" in missing.problem
    said = site.run("trust", works.crl("first.crl"), "--issuer")
    assert said.startswith("issuers: revocation list of works, next update 20")
    assert site.objections(works) == []
    works.revoke()
    site.run("trust", works.crl("second.crl"), "--issuer")
    [revoked] = site.objections(works)
    assert (revoked.status, revoked.field, revoked.refuses) == ("BadCertificateRevoked", "serialNumber", True)
    [file] = (site.pki.folder / "issuers/crl").iterdir()
    assert str(file) in revoked.todo
    assert read_crl(file).get_revoked_certificate_by_serial_number(7)
    assert "an older one is not taken" in site.run("trust", works.folder / "first.crl", code=1)


@pytest.mark.parametrize("options", [[], ["-sha256"]])
@pytest.mark.parametrize("how", ["as openssl says it", "colons", "spaces", "words"])
def test_a_thumbprint_is_taken_as_tools_print_it(
    works: Works, site: Site, how: str, options: list[str]
) -> None:
    plc = read_certificate(works.folder / "plc.pem")
    site.pki.reject(plc)
    said = works.fingerprint(*options)
    mark = said.partition("=")[2]
    words = {"as openssl says it": [said], "colons": [mark], "spaces": [mark.replace(":", " ")]}
    for _ in range(2):
        assert site.run("trust", *words.get(how, mark.split(":"))) == f"trusted: plc {thumbprint(plc)}\n"
    assert [certificate for _, certificate in site.pki.listed("trusted/certs")] == [plc]
    assert site.pki.listed("rejected") == []


def test_a_thumbprint_has_to_be_one_and_long_enough(works: Works, site: Site) -> None:
    plc = read_certificate(works.folder / "plc.pem")
    site.pki.reject(plc)
    for text in (thumbprint(plc)[:3], "", "zz", "ffffffff"):
        assert f"there are: {thumbprint(plc)[:8]}" in site.run("trust", text, code=1)
    assert site.pki.listed("trusted/certs") == []


def test_of_a_chain_the_server_is_trusted_and_its_issuers_only_complete_it(works: Works, site: Site) -> None:
    said = site.run("trust", works.folder / "chain.pem").splitlines()
    assert [line.split()[:2] for line in said] == [["trusted:", "plc"], ["issuers:", "works"]]
    assert [o.refuses for o in site.objections(works)] == [False], (
        "a list is missing, and it is trusted itself"
    )
    other = identity("other").certificate
    assert (
        objections([other], site.pki.trust(), PEER, datetime.now(UTC))[0].status == "BadCertificateUntrusted"
    )


def test_a_chain_that_only_completes_trusts_nobody(works: Works, site: Site) -> None:
    site.run("trust", works.folder / "chain.pem", "--issuer")
    assert site.pki.listed("trusted/certs") == []
    assert len(site.pki.listed("issuers/certs")) == 2


def test_lists_and_certificates_of_one_file_are_all_taken(works: Works, site: Site) -> None:
    everything = site.folder / "all.pem"
    parts = [works.folder / "chain.pem", works.crl("all.crl")]
    everything.write_text("".join(part.read_text() for part in parts))
    assert site.run("trust", everything).splitlines()[2].startswith("issuers: revocation list of works")


def test_an_issuer_can_be_rejected(works: Works, site: Site) -> None:
    mark = thumbprint(read_certificate(works.folder / "works.pem"))
    site.run("trust", works.folder / "works.pem", "--issuer")
    assert site.run("reject", mark[:8]) == f"rejected: works {mark}, was in issuers\n"
    site.run("trust", works.folder / "works.pem", "--issuer")
    site.run("trust", mark[:8])
    assert site.run("reject", mark) == f"rejected: works {mark}, was in trusted and issuers\n"
    assert [line["part"] for line in site.listed()] == ["rejected"]


def test_lists_are_listed_with_their_next_update(works: Works, site: Site) -> None:
    crl = works.crl("listed.crl")
    site.run("trust", crl)
    [line] = site.listed()
    until = read_crl(crl).next_update_utc
    assert until is not None
    assert (line["kind"], line["part"], line["until"]) == (
        "revocation list",
        "trusted/crl",
        until.isoformat(),
    )
    assert f"next update {until:%Y-%m-%d}" in site.run("list")


def test_what_does_not_belong_is_listed_and_trusts_nobody(
    works: Works, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    [own] = site.pki.own(datetime.now(UTC))
    site.run("trust", works.folder / "plc.pem")
    folder = site.pki.folder
    (folder / "own/certs/readme.txt").write_text("whose is this?")
    (folder / "trusted/certs/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "trusted/certs/old").mkdir()
    (folder / "trusted/certs/old/works.pem").write_bytes((works.folder / "works.pem").read_bytes())
    (folder / "issuers/crl/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "rejected/notes").mkdir()
    for _ in range(2):
        assert site.pki.own(datetime.now(UTC)) == [own]
        assert [common.refuses for common in site.objections(works)] == []
    strays = [Path(line["file"]).relative_to(folder) for line in site.listed() if line["kind"] == "stray"]
    assert sorted(map(str, strays)) == [
        "issuers/crl/Thumbs.db",
        "own/certs/readme.txt",
        "rejected/notes",
        "trusted/certs/Thumbs.db",
        "trusted/certs/old",
    ]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(set(told)) == 4, "once each; what is rejected trusts nobody anyway"
    site.pki.reject(identity("other").certificate)


def test_a_chain_in_a_file_that_is_trusted_trusts_no_authority(works: Works, site: Site) -> None:
    site.pki.trust()
    (site.pki.folder / "trusted/certs/chain.pem").write_bytes((works.folder / "chain.pem").read_bytes())
    assert [o.status for o in site.objections(works)] == []
    assert len(site.pki.trust().trusted) == 1
    assert "only its first certificate counts here" in site.run("list")


@pytest.mark.parametrize("damage", [b"", b"\x30\x82\x01", b"-----BEGIN X509 CRL-----\nMII", b"\0" * 300])
def test_a_damaged_list_revokes_what_it_may_have_revoked(works: Works, site: Site, damage: bytes) -> None:
    site.run("trust", works.folder / "chain.pem")
    site.run("trust", works.crl("whole.crl"), "--issuer")
    before = [o.status for o in site.objections(works)]
    file = site.pki.folder / "trusted/crl/cut.crl"
    file.write_bytes(damage)
    [doubt] = [o for o in site.objections(works) if o.status not in before]
    assert (doubt.refuses, doubt.file) == (True, str(file))
    assert "may be a list of works that revokes it" in doubt.problem
    self_signed = identity("plc")
    site.pki.add("trusted/certs", self_signed.der, "self.der")
    assert objections([self_signed.certificate], site.pki.trust(), PEER, datetime.now(UTC)) == []


class TestOurs:
    def test_renew_says_what_was_wrong_with_a_key_and_puts_it_aside(self, site: Site) -> None:
        [old] = site.pki.own(datetime.now(UTC))
        key = site.pki.folder / "own/private" / f"{old.file.stem}.pem"
        key.write_bytes(b"zz")
        said = site.run("explain", code=1)
        assert f"{key}: not a private key in PEM" in said
        assert "edge-agent pki renew CONFIG puts it aside and makes a new one" in said
        assert f"{key}: not a private key in PEM" in site.run("list")
        said = site.run("renew")
        assert f"put aside: {old.file}: not used: {key}: not a private key" in said
        assert "goes on with the one before" not in said
        aside = site.pki.folder / "own/aside"
        assert (aside / key.name).read_bytes() == b"zz"
        assert (aside / old.file.name).exists()
        [new] = site.pki.own(datetime.now(UTC))
        assert new != old
        assert "Connection refused" in site.run("explain", code=1)
        assert [line["part"] for line in site.listed()] == ["own/certs"]

    def test_a_damaged_one_beside_one_that_is_sound_stops_nothing(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        [old] = site.pki.own(datetime.now(UTC))
        new = site.pki.renew(datetime.now(UTC))
        (site.pki.folder / "own/private" / f"{new.file.stem}.pem").unlink()
        assert site.pki.own(datetime.now(UTC)) == [old]
        assert f"{new.file}: not used: " in caplog.text
        assert "No such file" in caplog.text

    def test_a_key_that_others_can_read_is_told_and_stays(self, site: Site) -> None:
        [old] = site.pki.own(datetime.now(UTC))
        key = site.pki.folder / "own/private" / f"{old.file.stem}.pem"
        key.chmod(0o644)
        assert "chmod 600" in site.run("explain", code=1)
        assert "put aside" not in site.run("renew")
        assert key.exists()

    def test_a_key_in_use_is_never_put_aside(self, site: Site) -> None:
        [own] = site.pki.own(datetime.now(UTC))
        for suffix in (".txt", ".pem"):
            own.file.with_suffix(suffix).write_text("hello")
        own.file.with_suffix(".crt").write_bytes(identity("other").der)
        (own.file.parent / "works.der").write_bytes(identity("works", ca=True).der)
        assert "put aside" not in site.run("renew")
        assert own in site.pki.own(datetime.now(UTC))

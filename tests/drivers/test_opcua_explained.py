"""`edge-agent pki explain` with certificates in which one thing is wrong, shown by node-opcua."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from authority import NOW, USAGE, Identity, crl, identity
from certified_servers import CertifiedServers
from click.testing import CliRunner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.cli import main
from edge_agent.pki.certificate import thumbprint
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets
DAY = timedelta(days=1)
SENT, TRUSTED, ISSUERS = "sent by the server", "/trusted/certs/", "/issuers/certs/"
POLICY, TIME, USE = (
    "BadCertificatePolicyCheckFailed",
    "BadCertificateTimeInvalid",
    "BadCertificateUseNotAllowed",
)
ISSUER_USE, REVOCATION = "BadCertificateIssuerUseNotAllowed", "BadCertificateRevocationUnknown"
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


def ca(name: str, **more: Any) -> Identity:
    return identity(name, ca=True, uri="", hosts=(), **more)


def plc(issuer: Identity | None = None, **more: Any) -> Identity:
    return identity("plc", issuer=issuer, **more)


WORKS, STALE, LISTLESS, NARROW = ca("works"), ca("stale"), ca("listless"), ca("narrow", path_length=0)
BELOW, LINE, WEAK = ca("below", issuer=NARROW), ca("line", issuer=WORKS), ca("weak", issuer=WORKS, size=1024)
HASH, MUTE = (
    ca("hash", issuer=WORKS, hash_=hashes.SHA224()),
    ca("mute", usage=USAGE | {"key_cert_sign": False}),
)
SWITCH, REVOKED = identity("switch"), plc(WORKS)

PINNED: dict[str, tuple[Identity, str, str, str]] = {
    "early": (plc(start=NOW + DAY), "plc: notBefore: ", TIME, "set this clock"),
    "late": (plc(start=NOW - 9 * DAY, end=NOW - DAY), "plc: notAfter: ", TIME, "renew the certificate"),
    "short": (identity("short", size=1024), "short: publicKey: has 1024", POLICY, "2048 to 4096 bits"),
    "hash": (plc(hash_=hashes.SHA224()), "plc: signatureAlgorithm: uses sha224", POLICY, "with SHA-256"),
    "host": (plc(hosts=("plc7",)), "plc: subjectAltName: is for plc7", "HostNameInvalid", "verify_host"),
    "uri": (plc(uri="urn:x"), "plc: subjectAltName: has urn:x", "BadCertificateUriInvalid", "make it anew"),
    "usage": (plc(usage=None), "plc: keyUsage: is missing", USE, "make it anew"),
    "sign": (plc(usage=USAGE | {"digital_signature": False}), "plc: keyUsage: lacks digital", USE, "make it"),
    "client": (plc(extended=CLIENT), "plc: extendedKeyUsage: lacks server", USE, "make it anew"),
}
CHAINS: dict[str, tuple[list[Identity], str, str, str, str]] = {
    "unknown": ([plc()], "plc: thumbprint: ", "BadCertificateUntrusted", SENT, "edge-agent pki trust CONFIG"),
    "stranger": ([plc(ca("stranger"))], "plc: issuer: ", "ChainIncomplete", SENT, "certificate of stranger"),
    "forged": (
        [plc(ca("works", size=3072))],
        "plc: signature: ",
        "BadSecurityChecksFailed",
        SENT,
        "another key",
    ),
    "listless": ([plc(LISTLESS)], "plc: issuer: there is no", REVOCATION, SENT, "trust CONFIG FILE --issuer"),
    "revoked": ([REVOKED], "plc: serialNumber: was revoked", "BadCertificateRevoked", SENT, "crl/works.crl"),
    "switch": ([plc(SWITCH)], "switch: basicConstraints: is not", ISSUER_USE, TRUSTED, "another authority"),
    "narrow": ([plc(BELOW)], "narrow: basicConstraints: allows 0", ISSUER_USE, TRUSTED, "another authority"),
    "mute": ([plc(MUTE)], "mute: keyUsage: lacks key cert sign", ISSUER_USE, TRUSTED, "another authority"),
    "weak": ([plc(WEAK)], "weak: publicKey: has 1024 bits", POLICY, ISSUERS, "with a longer key"),
    "hashed": ([plc(HASH)], "hash: signatureAlgorithm: uses sha224", POLICY, ISSUERS, "SHA-256 by works"),
}
SOUND = {"issued": [plc(WORKS)], "sent": [plc(LINE), LINE], "stale": [plc(STALE)]}
SHUT = plc()


class Site:
    def __init__(self, folder: Path) -> None:
        shown = {name: [one] for name, (one, *_) in PINNED.items()} | {
            name: c for name, (c, *_) in CHAINS.items()
        }
        self.servers = CertifiedServers(folder, shown | SOUND | {"shut": [SHUT]}, ["shut"])
        self.pki, self.config = PkiFolder(folder / "pki"), folder / "plant.toml"
        self.pki.own(datetime.now(UTC))
        self.put(
            "trusted", *(one for one, *_ in PINNED.values()), SWITCH, WORKS, STALE, LISTLESS, NARROW, MUTE
        )
        self.put("issuers", BELOW, WEAK, HASH)
        lists = [crl(one) for one in (NARROW, BELOW, LINE, WEAK, HASH, MUTE, SWITCH)]
        lists += [crl(WORKS, REVOKED), crl(STALE, fresh=-DAY)]
        for one in lists:
            name = one.issuer.rfc4514_string().removeprefix("CN=")
            self.pki.add("issuers/crl", one.public_bytes(Encoding.DER), f"{name}.crl")
        devices = [
            f'[device.{name}]\ndriver = "opc-ua"\nurl = "{url}"\ntimeout = "20s"\n'
            'tags = [{ name = "vib", node = "i=2258" }]\n'
            for name, url in self.servers.urls.items()
        ]
        self.config.write_text('[agent]\nstate = "."\n' + "".join(devices))

    def put(self, part: str, *identities: Identity) -> None:
        for one in identities:
            self.pki.add(f"{part}/certs", one.der, f"{thumbprint(one.certificate)}.der")

    def explained(self, name: str) -> list[str]:
        ended = CliRunner().invoke(main, ["pki", "explain", str(self.config), name])
        assert ended.exit_code == 1, ended.output
        return [line.strip() for line in ended.output.splitlines()]

    def refusals(self, name: str) -> list[list[str]]:
        """Return the refusals, each with its file and what to do."""
        lines = self.explained(name)
        return [lines[i : i + 3] for i, line in enumerate(lines) if line.startswith("REFUSED: ")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("explained"))
    yield site
    site.servers.end()


@pytest.mark.parametrize("name", PINNED)
def test_a_field_of_the_servers_own_certificate_is_named(site: Site, name: str) -> None:
    _, told, status, todo = PINNED[name]
    [[problem, file, what]] = site.refusals(name)
    assert problem.startswith(f"REFUSED: {told}")
    assert status in problem
    assert file.startswith(f"file: {site.pki.folder}{TRUSTED}")
    assert todo in what.removeprefix("next: ")


@pytest.mark.parametrize("name", CHAINS)
def test_a_field_of_any_certificate_of_the_chain_is_named(site: Site, name: str) -> None:
    _, told, status, where, todo = CHAINS[name]
    refusals = site.refusals(name)
    [[problem, file, what]] = [one for one in refusals if one[0].startswith(f"REFUSED: {told}")]
    assert status in problem
    assert file.startswith("file: ")
    assert where in file
    assert todo in what.removeprefix("next: ")
    others = [problem for problem, *_ in refusals if told not in problem]
    assert all("BadCertificateUntrusted" in problem for problem in others), "nothing else is wrong"


def test_what_is_refused_can_be_trusted_next(site: Site) -> None:
    [[_, file, what]] = site.refusals("unknown")
    words = what.rpartition("edge-agent ")[2].replace("CONFIG", str(site.config)).split()
    kept = Path(file.rpartition(" kept as ")[2])
    assert kept.exists()
    assert CliRunner().invoke(main, words).exit_code == 0
    assert site.refusals("unknown") == []
    mark = words[-1]
    assert CliRunner().invoke(main, ["pki", "reject", str(site.config), mark]).exit_code == 0
    assert len(site.refusals("unknown")) == 1


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_is_trusted(site: Site, name: str) -> None:
    said = site.explained(name)
    assert "server's certificate: trusted" in said
    warnings = [line for line in said if line.startswith("warning: ")]
    assert [REVOCATION in line and "out of date" in line for line in warnings] == [True] * (name == "stale")


def test_a_server_without_a_channel_for_the_question_is_told_and_examined_all_the_same(site: Site) -> None:
    said = site.explained("shut")
    refused = next(i for i, line in enumerate(said) if line.startswith("FAILED: "))
    assert said[refused].endswith("BadSecurityPolicyRejected")
    assert said[refused + 1].startswith("means: it has no channel without security")
    assert "allow the policy None there for discovery" in said[refused + 2]
    assert "with the server's certificate, from its engineering tool" in said[-1]
    site.put("trusted", SHUT)
    said = site.explained("shut")
    assert any(
        line.startswith("asked with security as plc, ") and line.endswith(": answers") for line in said
    )
    assert "offered: Basic256Sha256, SignAndEncrypt; logins -" in said
    assert said[-1] == "server's certificate: trusted"

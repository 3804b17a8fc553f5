"""Every step of OPC 10000-4, 6.1.3, each with a certificate in which only that is wrong."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from authority import NOW, URI, USAGE, Identity, crl, identity
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.pki.certificate import Unreadable, chain_of
from edge_agent.pki.folder import PkiFolder, Trust
from edge_agent.pki.listing import listed
from edge_agent.pki.verify import Objection, Peer, objections

PEER = Peer("localhost", URI)
ROOT = identity("root", ca=True, uri="", hosts=())
MIDDLE = identity("middle", issuer=ROOT, ca=True, uri="", hosts=())
OF_MIDDLE = identity("plc", issuer=MIDDLE)
LISTS = [crl(ROOT), crl(MIDDLE)]


def wrong(
    sent: list[Identity],
    trusted: list[Identity],
    issuers: list[Identity] = [],  # noqa: B006
    crls: Any = (),
    peer: Peer = PEER,
) -> list[Objection]:
    trust = Trust([i.certificate for i in trusted], [i.certificate for i in issuers], list(crls))
    return objections([i.certificate for i in sent], trust, peer, NOW)


def test_every_objection_names_a_file_and_what_to_do() -> None:
    narrow = identity("narrow", ca=True, path_length=0, uri="", hosts=(), end=NOW - timedelta(days=1))
    middle = identity("middle", issuer=narrow, uri="", hosts=(), usage=USAGE | {"key_cert_sign": False})
    false = identity("middle", ca=True, uri="", hosts=(), size=3072)
    plc = identity("plc", issuer=middle, uri="urn:x", hosts=("other",), usage=None, start=NOW + timedelta(1))
    small = identity("small", size=1024, hash_=hashes.SHA224(), extended=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    found = [
        *wrong([plc], [], [middle, narrow], [crl(narrow, fresh=-timedelta(days=1))]),
        *wrong([plc], [narrow], [false]),
        *wrong([plc], [narrow]),
        *wrong([plc], [narrow], [middle], [crl(middle, plc), crl(false)]),
        *wrong([small], []),
    ]
    assert len({(o.status, o.field) for o in found}) == 15
    assert [o for o in found if not o.todo] == []
    assert [o for o in found if not o.file and "revocation list" not in o.problem] == []


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize(
    ("made", "field"), [({"size": 1024}, "publicKey"), ({"hash_": hashes.SHA224()}, "signatureAlgorithm")]
)
def test_a_weak_authority_vouches_for_nobody(made: dict[str, Any], field: str, pinned: bool) -> None:
    weak = identity("weak", issuer=ROOT, ca=True, uri="", hosts=(), **made)
    plc = identity("plc", issuer=weak)
    found = wrong([plc], [plc if pinned else ROOT], [ROOT, weak], [crl(ROOT), crl(weak)])
    [objection] = found
    assert (objection.certificate, objection.field, objection.refuses) == ("weak", field, not pinned)


def test_how_a_root_signed_itself_does_not_matter() -> None:
    root = identity("old-root", ca=True, uri="", hosts=(), hash_=hashes.SHA224())
    assert wrong([identity("plc", issuer=root)], [root], [], [crl(root)]) == []


def told(found: list[Objection]) -> list[tuple[str, str, str]]:
    return [(o.certificate, o.field, o.status) for o in found if o.refuses]


def test_a_pinned_certificate_is_trusted() -> None:
    plc = identity()
    assert wrong([plc], [plc]) == []


def test_a_certificate_with_the_same_names_and_another_key_is_not() -> None:
    pinned, swapped = identity("plc"), identity("plc", size=3072)
    assert pinned.certificate.subject == swapped.certificate.subject
    assert told(wrong([swapped], [pinned])) == [("plc", "thumbprint", "BadCertificateUntrusted")]


@pytest.mark.parametrize(
    ("made", "field", "status"),
    [
        ({"end": NOW - timedelta(minutes=1)}, "notAfter", "BadCertificateTimeInvalid"),
        ({"start": NOW + timedelta(minutes=1)}, "notBefore", "BadCertificateTimeInvalid"),
        ({"hosts": ("plc7", "10.0.0.7")}, "subjectAltName", "BadCertificateHostNameInvalid"),
        ({"uri": "urn:another"}, "subjectAltName", "BadCertificateUriInvalid"),
        ({"uri": ""}, "subjectAltName", "BadCertificateUriInvalid"),
        ({"usage": None}, "keyUsage", "BadCertificateUseNotAllowed"),
        ({"usage": USAGE | {"key_encipherment": False}}, "keyUsage", "BadCertificateUseNotAllowed"),
        ({"extended": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, "extendedKeyUsage", "BadCertificateUseNotAllowed"),
        ({"name": "short", "size": 1024}, "publicKey", "BadCertificatePolicyCheckFailed"),
        ({"hash_": hashes.SHA512()}, None, None),
    ],
)
def test_one_thing_that_is_wrong_is_the_one_that_is_told(
    made: dict[str, Any], field: str | None, status: str | None
) -> None:
    plc = identity(**made)
    expected = [(made.get("name", "plc"), field, status)] if field else []
    assert told(wrong([plc], [plc])) == expected


def test_all_that_is_wrong_is_told_at_once() -> None:
    plc = identity(uri="urn:x", hosts=("other",), end=NOW - timedelta(hours=1))
    assert {o.status for o in wrong([plc], [])} == {
        "BadCertificateUntrusted",
        "BadCertificateTimeInvalid",
        "BadCertificateHostNameInvalid",
        "BadCertificateUriInvalid",
    }


@pytest.mark.parametrize("host", ["LOCALHOST", "127.0.0.1", None])
def test_any_of_its_hosts_will_do(host: str | None) -> None:
    plc = identity()
    assert wrong([plc], [plc], peer=Peer(host, URI)) == []


@pytest.mark.parametrize("sent", [[OF_MIDDLE], [OF_MIDDLE, MIDDLE]])
@pytest.mark.parametrize("trusted", [ROOT, MIDDLE])
def test_an_authority_that_is_trusted_anywhere_in_the_chain_will_do(
    sent: list[Identity], trusted: Identity
) -> None:
    assert wrong(sent, [trusted], [ROOT, MIDDLE], LISTS) == []


def test_an_issuer_that_is_only_known_trusts_nobody() -> None:
    found = told(wrong([OF_MIDDLE], [], [ROOT, MIDDLE], LISTS))
    assert found == [("plc", "thumbprint", "BadCertificateUntrusted")]


def test_an_issuer_that_is_missing_is_named() -> None:
    found = told(wrong([OF_MIDDLE], [ROOT], [], LISTS))
    assert found[0] == ("plc", "issuer", "BadCertificateChainIncomplete")
    assert "middle" in wrong([OF_MIDDLE], [ROOT])[0].problem


def test_an_issuer_of_the_right_name_with_another_key_is_told() -> None:
    false = identity("middle", ca=True, uri="", hosts=(), size=3072)
    found = told(wrong([OF_MIDDLE], [false], [], LISTS))
    assert found[0] == ("plc", "signature", "BadSecurityChecksFailed")
    assert ("plc", "thumbprint", "BadCertificateUntrusted") in found


def test_a_server_cannot_be_an_authority() -> None:
    plc = identity("plc")
    by_plc = identity("other", issuer=plc)
    found = told(wrong([by_plc], [plc], [], [crl(plc)]))
    assert found == [("plc", "basicConstraints", "BadCertificateIssuerUseNotAllowed")]


def test_an_authority_that_may_have_none_below_it_has_none() -> None:
    root = identity("narrow", ca=True, path_length=0, uri="", hosts=())
    middle = identity("middle", issuer=root, ca=True, uri="", hosts=())
    found = told(wrong([identity("plc", issuer=middle)], [root], [middle], [crl(root), crl(middle)]))
    assert found == [("narrow", "basicConstraints", "BadCertificateIssuerUseNotAllowed")]


def test_a_revoked_certificate_is_refused_though_it_is_pinned() -> None:
    lists = [crl(ROOT), crl(MIDDLE, OF_MIDDLE)]
    for trusted in (OF_MIDDLE, ROOT):
        found = told(wrong([OF_MIDDLE], [trusted], [ROOT, MIDDLE], lists))
        assert found == [("plc", "serialNumber", "BadCertificateRevoked")]


def test_without_a_revocation_list_nobody_knows() -> None:
    found = told(wrong([OF_MIDDLE], [ROOT], [MIDDLE], [crl(ROOT)]))
    assert found == [("plc", "issuer", "BadCertificateRevocationUnknown")]
    assert told(wrong([OF_MIDDLE], [OF_MIDDLE], [ROOT, MIDDLE])) == []


def test_a_list_by_somebody_else_in_the_name_of_the_issuer_is_no_list() -> None:
    false = identity("middle", ca=True, size=3072)
    found = told(wrong([OF_MIDDLE], [ROOT], [MIDDLE], [crl(ROOT), crl(false)]))
    assert found == [("plc", "issuer", "BadCertificateRevocationUnknown")]


def test_a_list_out_of_date_is_told_and_still_used() -> None:
    old = crl(MIDDLE, fresh=-timedelta(days=1))
    found = wrong([OF_MIDDLE], [ROOT], [MIDDLE], [crl(ROOT), old])
    assert [(o.refuses, "out of date" in o.problem) for o in found] == [(False, True)]
    revoking = crl(MIDDLE, OF_MIDDLE, fresh=-timedelta(days=1))
    assert ("plc", "serialNumber", "BadCertificateRevoked") in told(
        wrong([OF_MIDDLE], [ROOT], [MIDDLE], [crl(ROOT), revoking])
    )


def test_a_chain_that_bites_its_tail_ends() -> None:
    one = identity("one", issuer=identity("two", ca=True), ca=True)
    two = identity("two", issuer=identity("one", ca=True), ca=True)
    found = told(wrong([identity("plc", issuer=one)], [], [one, two]))
    assert ("plc", "issuer", "BadCertificateChainIncomplete") in found


def test_a_damaged_list_refuses_or_revokes_and_is_never_a_crash(tmp_path: Path) -> None:
    dice, folder = random.Random(1), PkiFolder(tmp_path / "pki")
    folder.add("trusted/certs", ROOT.der, "root.der")
    plc = identity("plc", issuer=ROOT)
    whole, file = crl(ROOT, plc).public_bytes(Encoding.DER), folder.folder / "trusted/crl/root.crl"
    read = 0
    for _ in range(1000):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 1, 2, 4))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        file.write_bytes(data)
        assert any(o.refuses for o in objections([plc.certificate], folder.trust(), PEER, NOW))
        read += listed(folder, NOW)[1].kind == "revocation list"
    assert 200 < read < 800


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_damaged_certificate_is_refused_or_told_and_never_a_crash() -> None:
    dice = random.Random(1)
    trust = Trust([ROOT.certificate, MIDDLE.certificate], [], LISTS)
    refused = 0
    for _ in range(4000):
        data = bytearray(OF_MIDDLE.der)
        for _ in range(dice.choice((1, 1, 2, 4))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if data == OF_MIDDLE.der:
            continue
        try:
            found = objections(chain_of(bytes(data)), trust, PEER, NOW)
        except Unreadable:
            continue
        assert any(objection.refuses for objection in found)
        assert all(map(str, found))
        refused += 1
    assert refused > 1000

"""What changes while a session lives: whom we trust, what is revoked, what ends."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from authority import NOW, URI, Identity, crl, identity
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.pki.ending import SOON, due, endings
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.manage import reject
from edge_agent.pki.own import VALID
from edge_agent.pki.standing import EVERY, Standing
from edge_agent.pki.verify import Peer

WORKS = identity("works", ca=True, uri="", hosts=())
PLC = identity("plc", issuer=WORKS)
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> PkiFolder:
    folder = PkiFolder(tmp_path / "pki")
    folder.add("trusted/certs", WORKS.der, "works.der")
    add_list(folder)
    return folder


@pytest.fixture
def standing(folder: PkiFolder) -> Standing:
    return Standing(folder, [PLC.certificate], Peer("localhost", URI), NOW)


def add_list(folder: PkiFolder, *revoked: Identity) -> None:
    folder.add("issuers/crl", crl(WORKS, *revoked).public_bytes(Encoding.DER), "works.crl")


def ends(folder: PkiFolder, now: datetime) -> list[tuple[str, str]]:
    return sorted((ending.kind, ending.name.partition("@")[0]) for ending in due(folder, now))


def test_what_nobody_changes_stands_and_is_examined_once_an_hour(standing: Standing) -> None:
    assert not standing.is_due(NOW)
    assert not standing.is_due(NOW + EVERY - timedelta(seconds=1))
    assert standing.is_due(NOW + EVERY)
    assert standing.examine(NOW + EVERY) == []
    assert not standing.is_due(NOW + EVERY)
    assert standing.is_due(NOW), "a clock that was set back"


def test_a_revocation_is_seen_at_once(folder: PkiFolder, standing: Standing) -> None:
    add_list(folder, PLC)
    assert standing.is_due(NOW)
    [revoked] = standing.examine(NOW)
    assert revoked.status == "BadCertificateRevoked"
    assert not standing.is_due(NOW)
    add_list(folder)
    assert standing.is_due(NOW)
    assert standing.examine(NOW) == []


def test_whom_somebody_rejects_does_not_stand(folder: PkiFolder, standing: Standing) -> None:
    reject(folder, WORKS.certificate.fingerprint(WORKS.certificate.signature_hash_algorithm).hex())
    assert standing.is_due(NOW)
    assert {o.status for o in standing.examine(NOW)} >= {"BadCertificateUntrusted"}


def test_a_certificate_that_ends_under_a_session_is_seen_within_the_hour(standing: Standing) -> None:
    after = PLC.certificate.not_valid_after_utc + timedelta(minutes=1)
    assert standing.is_due(after)
    assert {o.field for o in standing.examine(after)} == {"notAfter"}


def test_a_file_that_is_no_certificate_changes_nothing_but_is_looked_at(
    folder: PkiFolder, standing: Standing
) -> None:
    (folder.folder / "trusted/certs/Thumbs.db").write_bytes(b"\xd0\xcf")
    assert standing.is_due(NOW)
    assert standing.examine(NOW) == []


def test_a_folder_that_is_gone_is_a_change(folder: PkiFolder, standing: Standing) -> None:
    for file in (folder.folder / "issuers/crl").iterdir():
        file.unlink()
    (folder.folder / "issuers/crl").rmdir()
    assert standing.is_due(NOW)
    assert [o.status for o in standing.examine(NOW)] == ["BadCertificateRevocationUnknown"]


def test_ours_gets_its_successor_without_a_connect(folder: PkiFolder) -> None:
    [own] = folder.own(NOW)
    assert folder.successor(NOW + VALID - SOON - 2 * DAY) is None
    late = NOW + VALID - SOON + DAY
    made = folder.successor(late)
    assert made is not None
    assert made.certificate != own.certificate
    assert folder.successor(late) is None
    assert folder.own(late) == [made, own]


def test_what_ends_soon_is_due(folder: PkiFolder) -> None:
    folder.own(NOW)
    assert ends(folder, NOW - 70 * DAY) == []
    folder.add("trusted/certs", PLC.der, "plc.der")
    assert ends(folder, NOW) == [("authority", "works"), ("trusted", "plc")]
    later = NOW + 8 * DAY
    assert ends(folder, later) == [("authority", "works"), ("revocation list", "works"), ("trusted", "plc")]
    renewed = identity("plc", issuer=WORKS, end=NOW + 365 * DAY)
    folder.add("trusted/certs", renewed.der, "renewed.der")
    assert ends(folder, NOW) == [("authority", "works")]
    listed, soon, *_ = endings(folder, later)
    assert listed.text(later) == f"revocation list works: next update {listed.until:%Y-%m-%d}, 1 days ago"
    assert soon.text(later).endswith(f"until {soon.until:%Y-%m-%d}, 22 days left")


def test_of_ours_the_newest_counts_and_the_one_before_until_it_ends(folder: PkiFolder) -> None:
    folder.own(NOW)
    late = NOW + VALID - SOON + DAY
    folder.successor(late)
    assert [kind for kind, _ in ends(folder, late)].count("ours") == 1
    over = NOW + VALID + DAY
    assert "ours" not in [kind for kind, _ in ends(folder, over)]

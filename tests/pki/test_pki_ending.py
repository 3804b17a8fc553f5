"""What of a folder of certificates ends when, and how it is known that somebody changed it."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from authority import NOW, Identity, crl, identity
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.pki.ending import SOON, endings
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.manage import reject
from edge_agent.pki.own import VALID

WORKS = identity("works", ca=True, uri="", hosts=())
PLC = identity("plc", issuer=WORKS)
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> PkiFolder:
    folder = PkiFolder(tmp_path / "pki")
    folder.add("trusted/certs", WORKS.der, "works.der")
    add_list(folder)
    return folder


def add_list(folder: PkiFolder, *revoked: Identity) -> None:
    folder.add("issuers/crl", crl(WORKS, *revoked).public_bytes(Encoding.DER), "works.crl")


def ends(folder: PkiFolder, now: datetime) -> list[tuple[str, str]]:
    return sorted(
        (ending.kind, ending.name.partition("@")[0]) for ending in endings(folder, now) if ending.is_due(now)
    )


def test_the_mark_of_a_folder_is_another_whenever_a_file_of_it_is(folder: PkiFolder) -> None:
    marks = [folder.mark()]
    for change in (
        lambda: folder.own(NOW),
        lambda: add_list(folder, PLC),
        lambda: add_list(folder),
        lambda: (folder.folder / "trusted/certs/Thumbs.db").write_bytes(b"\xd0\xcf"),
        lambda: reject(folder, WORKS.certificate.fingerprint(SHA256()).hex()),
        lambda: shutil.rmtree(folder.folder / "issuers/crl"),
    ):
        change()
        marks.append(folder.mark())
        assert folder.mark() == marks[-1]
    assert len(set(marks)) == len(marks)


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
    folder.own(late)
    assert [kind for kind, _ in ends(folder, late)].count("ours") == 1
    over = NOW + VALID + DAY
    assert "ours" not in [kind for kind, _ in ends(folder, over)]

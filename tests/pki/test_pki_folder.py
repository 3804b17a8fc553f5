"""The pki folder: our own certificates and their successors, what is trusted, what was turned away."""

import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authority import NOW, identity
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.pki.certificate import Unreadable, chain_of, der, hosts, thumbprint
from edge_agent.pki.folder import MOST_REJECTED, PkiFolder
from edge_agent.pki.own import RENEW_BEFORE, VALID, ClockNotSet
from edge_agent.pki.verify import Peer, objections


@pytest.fixture
def folder(tmp_path: Path) -> PkiFolder:
    return PkiFolder(tmp_path / "pki")


def test_the_first_certificate_is_made_once_and_its_key_is_ours_alone(folder: PkiFolder) -> None:
    [own] = folder.own(NOW)
    assert folder.own(NOW) == [own]
    [key] = (folder.folder / "own/private").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert own.uri.endswith(":edge-agent")
    assert own.key.key_size == 2048


@pytest.mark.parametrize("role", [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
def test_our_certificate_has_every_field_that_the_other_side_looks_at(
    folder: PkiFolder, role: x509.ObjectIdentifier
) -> None:
    [own] = folder.own(NOW)
    trust = PkiFolder(folder.folder.with_name("other")).trust()
    trust.trusted.append(own.certificate)
    assert objections([own.certificate], trust, Peer(hosts(own.certificate)[0], own.uri, role), NOW) == []


def test_a_successor_is_made_in_good_time_and_the_old_one_goes_on(folder: PkiFolder) -> None:
    [first] = folder.own(NOW)
    assert folder.own(NOW + VALID - RENEW_BEFORE - timedelta(days=1)) == [first]
    late = NOW + VALID - RENEW_BEFORE + timedelta(days=1)
    newer, older = folder.own(late)
    assert older == first
    assert newer.certificate != first.certificate
    assert newer.uri == first.uri
    assert folder.own(late) == [newer, older]
    assert folder.own(NOW + VALID + timedelta(days=1)) == [newer]


def test_one_made_while_the_clock_was_ahead_is_followed_by_one_that_is_valid(folder: PkiFolder) -> None:
    [ahead] = folder.own(NOW + timedelta(days=3650))
    valid, last = folder.own(NOW)
    assert last == ahead
    assert valid.certificate.not_valid_before_utc <= NOW
    assert folder.own(NOW) == [valid, ahead]


def test_a_clock_that_is_behind_makes_none_beside_the_one_there_is(folder: PkiFolder) -> None:
    [own] = folder.own(NOW)
    assert folder.own(datetime(1970, 1, 1, 0, 1, tzinfo=UTC)) == [own]


def test_what_somebody_else_issued_is_for_them_to_renew(folder: PkiFolder) -> None:
    folder.trust()
    works = identity("works", ca=True)
    issued = identity("agent", issuer=works, end=NOW + timedelta(days=1))
    certificate, key = issued.save(folder.folder, "agent")
    certificate.rename(folder.folder / "own/certs/agent.der")
    key.rename(folder.folder / "own/private/agent.pem")
    assert [own.certificate for own in folder.own(NOW)] == [issued.certificate]


def test_two_at_once_make_one_certificate(folder: PkiFolder) -> None:
    made = []
    threads = [threading.Thread(target=lambda: made.append(folder.own(NOW))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({thumbprint(own.certificate) for [own] in made}) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_whom_the_state_folder_does(folder: PkiFolder) -> None:
    os.chown(folder.folder.parent, 1234, 1234)
    folder.own(NOW)
    folder.reject(identity("plc").certificate)
    folder.add("trusted/certs", identity("plc").der, "plc.der")
    assert {path.stat().st_uid for path in folder.folder.rglob("*")} == {1234}


def test_a_key_that_others_can_read_is_not_used(folder: PkiFolder) -> None:
    folder.own(NOW)
    [key] = (folder.folder / "own/private").iterdir()
    key.chmod(0o644)
    with pytest.raises(Unreadable, match="chmod 600"):
        folder.own(NOW)


def test_a_clock_that_is_not_set_makes_no_certificate(folder: PkiFolder) -> None:
    with pytest.raises(ClockNotSet, match="1970-01-01"):
        folder.own(NOW.replace(year=1970, month=1, day=1))
    assert not list((folder.folder / "own/private").iterdir())


def test_der_and_pem_are_both_read(folder: PkiFolder) -> None:
    folder.trust()
    one, two = identity("one").certificate, identity("two").certificate
    (folder.folder / "trusted/certs/a.crt").write_bytes(one.public_bytes(Encoding.PEM))
    (folder.folder / "trusted/certs/b.der").write_bytes(two.public_bytes(Encoding.DER))
    assert folder.trust().trusted == [one, two]


def test_the_rejected_folder_is_bounded(folder: PkiFolder) -> None:
    folder.trust()
    for number in range(MOST_REJECTED + 5):
        folder.reject(identity("plc", uri=f"urn:{number}").certificate)
    assert len(folder.listed("rejected")) == MOST_REJECTED


def test_a_chain_is_split_and_a_damaged_one_is_told() -> None:
    one, two = identity("one"), identity("two")
    assert chain_of(one.der + two.der) == [one.certificate, two.certificate]
    assert chain_of(b"") == []
    for cut in range(1, len(one.der), 7):
        with pytest.raises(Unreadable):
            chain_of(one.der[:-cut])
    assert der(chain_of(one.der)[0]) == one.der


READ = """
import sys
from datetime import datetime
from pathlib import Path
from edge_agent.pki.folder import PkiFolder
folder, at = PkiFolder(Path(sys.argv[1])), datetime.fromisoformat(sys.argv[2])
print(*(one.file.name for one in folder.own(at)), len(folder.trust().trusted))
"""


def test_on_a_read_only_disk_what_is_there_is_used_also_when_a_successor_is_due(folder: PkiFolder) -> None:
    """What root may do to a disk, any user may in a namespace of its own."""
    [own] = folder.own(NOW)
    private = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    mounted = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    late = NOW + VALID - RENEW_BEFORE + timedelta(days=1)
    program = [sys.executable, "-c", READ, str(folder.folder), late.isoformat()]
    command = [*private, "sh", "-c", mounted, str(folder.folder), *program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [own.file.name, "0"]
    assert "no successor of our certificate: Read-only file system" in done.stderr

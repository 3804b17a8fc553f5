"""What gateways obey and what they do not, and in which order a rollout comes to them."""

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.fleet.documents import (
    LARGEST_DOCUMENT,
    BadDocument,
    Bundle,
    Desired,
    Envelope,
    File,
    Reported,
    opened,
    sign,
)
from edge_agent.fleet.pieces import PIECE, Index, cut, digest, index_of
from edge_agent.fleet.stages import RECENT, BadStages, parse, silent, split

KEY = Ed25519PrivateKey.generate()
FILE = File(sha256="ab", index="cd")
ORDER = Desired(gateway="gw1", number=7, what=Bundle(do="activate", name="pump", sequence=2, file=FILE))
LARGEST = 10 * PIECE


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "office.pub").write_bytes(public)
    return tmp_path


def test_an_order_that_is_signed_for_this_gateway_is_obeyed(keys: Path) -> None:
    assert opened(sign(ORDER, KEY), keys, "gw1") == (ORDER, "office")


def test_nothing_else_is_obeyed(keys: Path) -> None:
    signed = sign(ORDER, KEY)
    with pytest.raises(BadDocument, match="it is for gw1, and this is gw2"):
        opened(signed, keys, "gw2")
    with pytest.raises(BadDocument, match="none of the trusted keys office"):
        opened(sign(ORDER, Ed25519PrivateKey.generate()), keys, "gw1")
    envelope = msgspec.json.decode(signed, type=Envelope)
    changed = msgspec.structs.replace(envelope, body=envelope.body.replace(b'"sequence":2', b'"sequence":1'))
    with pytest.raises(BadDocument, match="none of the trusted keys"):
        opened(msgspec.json.encode(changed), keys, "gw1")
    for garbage in (b"", b"{}", b"\xff", signed[:-5]):
        with pytest.raises(BadDocument, match="it is no envelope document"):
            opened(garbage, keys, "gw1")
    with pytest.raises(BadDocument, match="bytes are too many"):
        opened(signed + b" " * LARGEST_DOCUMENT, keys, "gw1")
    (keys / "office.pub").unlink()
    with pytest.raises(BadDocument, match="nothing can be trusted"):
        opened(signed, keys, "gw1")


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_pieces_make_the_bundle_again(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    file, encoded, pieces = cut(data)
    assert b"".join(pieces) == data
    assert file.sha256 == digest(data)
    index = index_of(encoded, file, LARGEST)
    assert (index.size, index.pieces) == (size, [digest(piece) for piece in pieces])
    with pytest.raises(BadDocument, match="not the one that was signed for"):
        index_of(encoded + b" ", file, LARGEST)
    for other in (0, size + PIECE, 10**12):
        wrong = msgspec.json.encode(Index(size=other, pieces=index.pieces))
        with pytest.raises(BadDocument, match="speaks of"):
            index_of(wrong, File(sha256=file.sha256, index=digest(wrong)), LARGEST)
    with pytest.raises(BadDocument, match="speaks of"):
        index_of(encoded, file, size - 1)


def test_shares_are_read_and_refused() -> None:
    assert parse("5%, 25%,100%") == [0.05, 0.25, 1.0]
    for wrong in ("", "a", "50%,25%", "0%", "101%", "5%,5%"):
        with pytest.raises(BadStages):
            parse(wrong)


@given(
    st.lists(st.text(min_size=1, max_size=5), unique=True, min_size=1, max_size=60),
    st.lists(st.floats(0.01, 1), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_stages_divide_the_gateways(names: list[str], shares: list[float]) -> None:
    stages = split(names, shares, "salt")
    told = [name for stage in stages for name in stage]
    assert len(told) == len(set(told))
    assert len(told) >= shares[-1] * len(names) - 1e-6
    assert stages[0]
    assert split(list(reversed(names)), shares, "salt") == stages
    if shares[-1] == 1:
        assert set(told) == set(names)


def test_gateways_that_have_not_reported_lately_come_last() -> None:
    names = [f"gw{number}" for number in range(20)]
    away = {"gw3", "gw7", "gw11"}
    ages = {name: RECENT + 60 if name in away else RECENT - 60 for name in names}
    reports = [
        Reported(gateway=name, group="hall", version="1", time=1e9 - age) for name, age in ages.items()
    ]
    assert silent(reports, 1e9) == away
    assert silent([Reported(gateway="ahead", group="", version="", time=2e9)], 1e9) == {"ahead"}
    for salt in "abcdefgh":
        stages = split(names, [0.05, 0.85, 1.0], salt, away)
        assert set(stages[2]) == away
        assert [n for stage in stages[:2] for n in stage] == [
            n for stage in split([n for n in names if n not in away], [1.0], salt) for n in stage
        ]

"""`probe` over TLS with real certificates: both sides prove who they are, or one line says what is wrong."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from tls_plant import UNIT, Plant, device, listening

pytestmark = pytest.mark.sockets


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


async def probed(plant: Plant, port: int, who: str = "laptop", ca: str = "ca") -> tuple[int | None, str, str]:
    """Exit code, output and errors."""
    words = ["--transport", "tls", "--port", str(port), "--units", f"{UNIT},{UNIT + 1}", "--json"]
    files = [
        *("--ca", str(plant.folder / f"{ca}.crt")),
        *("--certificate", str(plant.folder / f"{who}.crt")),
        *("--key", str(plant.folder / f"{who}.key")),
    ]
    rate = ["--addresses", "0-9", "--rate", "1000", "--timeout", "2"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge_agent", "probe", "127.0.0.1", *words, *files, *rate),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, told = await process.communicate()
    return process.returncode, out.decode(), told.decode()


async def test_certificates_on_both_sides_and_the_unit_is_found(plant: Plant) -> None:
    async with listening(plant.server()) as port:
        code, out, _ = await probed(plant, port)
    assert code == 0
    assert {t["table"]: t["ranges"] for t in json.loads(out)["units"][0]["tables"]}["holding"] == [[0, 9]]


@pytest.mark.parametrize(
    ("server", "who", "ca", "said"),
    [
        ("server", "laptop", "elsewhere", "the device's certificate is not trusted: "),
        (
            "expired",
            "laptop",
            "ca",
            "the device's certificate is not trusted: certificate has expired; the clock ",
        ),
        ("server", "missing", "ca", "no certificate and its key in PEM: No such file or directory"),
        ("server", "laptop", "missing", "no certificates in PEM: No such file or directory"),
        ("server", "agent", "ca", "no certificate and its key in PEM: damaged, or locked"),
    ],
)
async def test_what_is_wrong_is_told_in_one_line(
    plant: Plant, server: str, who: str, ca: str, said: str
) -> None:
    async with listening(plant.server(server)) as port:
        code, out, told = await probed(plant, port, who, ca)
    assert (code, out) == (1, "")
    assert told.startswith(f"127.0.0.1:{port}: ")
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(("who", "alert"), [("stranger", "unknown ca"), ("expired", "certificate expired")])
async def test_a_server_that_refuses_our_certificate_is_told_in_one_line(
    plant: Plant, who: str, alert: str
) -> None:
    with plant.doorkeeper() as port:
        code, out, told = await probed(plant, port, who)
    assert (code, out) == (1, "")
    assert told.startswith(f"127.0.0.1:{port}: the device does not accept our certificate: ")
    assert told.endswith(f"{alert}\n")


async def test_a_server_without_tls_is_told_in_one_line(plant: Plant) -> None:
    async with listening(ModbusTcpServer(context=device(), address=("127.0.0.1", 0))) as port:
        code, out, told = await probed(plant, port)
    assert (code, out) == (1, "")
    assert told.startswith(f"127.0.0.1:{port}: no connection within 2 s")
    assert told.count("\n") == 1

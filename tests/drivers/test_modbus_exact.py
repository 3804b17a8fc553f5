"""A 64-bit counter to the last digit: written, read and recorded by the commands, with libmodbus between."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from libmodbus_server import compiled

from edge_agent import commission
from edge_agent.config import Config, load
from edge_agent.record import record
from edge_agent.write import order, write

pytestmark = pytest.mark.sockets

TAGS = """
[agent]
state = "state"
[device.meter]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
scan = "100ms"
tags = [
  {{ name = "count", table = "holding", address = 100, type = "uint64" }},
  {{ name = "energy", table = "holding", address = 104, type = "int64", scale = 0.001, unit = "kWh" }},
]
"""


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Config]:
    with subprocess.Popen([str(compiled())], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        (tmp_path / "config.toml").write_text(TAGS.format(port=int(server.stdout.readline())))
        yield load(tmp_path / "config.toml")
        server.kill()


def test_what_is_written_is_read_and_recorded_to_the_last_digit(meter: Config, tmp_path: Path) -> None:
    for name, value in (("count", "18446744073709551615"), ("energy", "-9007199254740.993")):
        written = write(order(meter, f"meter.{name}", value))
        assert written.verified
        assert f"wrote {value}, read back {value}" in written.text()
    count, energy = commission.read(meter, [])
    assert (count.meaning, count.value, count.reason) == (2**64 - 1, 2.0**64, "ROUNDED")
    assert (energy.meaning, energy.value) == ("-9007199254740.993", -(2.0**53) * 0.001)
    record(meter, [], tmp_path / "rows.csv", 0.5)
    row = (tmp_path / "rows.csv").read_text().splitlines()[-1]
    assert row.endswith(",18446744073709551615,-9007199254740.993")


@pytest.mark.parametrize("value", ["1e400", "inf", "0.0001", "1e30"])
def test_what_a_counter_cannot_hold_is_not_written(meter: Config, value: str) -> None:
    with pytest.raises(commission.CommissionError, match="does not fit"):
        write(order(meter, "meter.energy", value))
    assert (
        commission.read(meter, ["meter.energy"])[0].value == (104 << 48 | 105 << 32 | 106 << 16 | 107) * 0.001
    )

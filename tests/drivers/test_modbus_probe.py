"""`probe` over a serial line, against libmodbus."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from libmodbus_server import compiled
from serial_line import joined

pytestmark = pytest.mark.sockets


def test_a_serial_line_is_probed(tmp_path: Path) -> None:
    line = ["--transport", "rtu", "--baud", "115200", "--parity", "none", "--timeout", "0.5"]
    words = ["--units", "1", "--addresses", "0-9", "--rate", "100", "--json", *line]
    with joined(tmp_path) as (ours, theirs):
        server = [str(compiled()), str(theirs), "1"]
        with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                process.stdout.readline()
                probe = [sys.executable, "-m", "edge_agent", "probe", str(ours), *words]
                out = subprocess.run(probe, check=True, stdout=subprocess.PIPE, timeout=60).stdout
            finally:
                process.kill()
    (unit,) = json.loads(out)["units"]
    assert {t["table"]: t["ranges"] for t in unit["tables"]}["holding"] == [[0, 9]]

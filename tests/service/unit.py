"""The installed service in a box: what its unit, its PLC and its history say."""

import json

from agent_process import until
from box import Box

UNIT = "edge-agent.service"
CONFIG = "/etc/edge-agent/agent.toml"
STATE = "/var/lib/edge-agent"
PYTHON = "/usr/lib/edge-agent/bin/python"
OFF, ADVISORY, FAULT = 0, 4, 7
READ_BLOCK = """
import json
from pymodbus.client import ModbusTcpClient
with ModbusTcpClient("127.0.0.1", port=15020) as plc:
    print(json.dumps(plc.read_holding_registers(400, count=20, device_id=1).registers))
"""
QUERY = """
import json, sqlite3, sys
history = sqlite3.connect("/var/lib/edge-agent/history.db")
print(json.dumps(history.execute(sys.argv[1]).fetchall()))
"""


def words(box: Box) -> list[int]:
    """The result block as an independent client reads it from the PLC."""
    found: list[int] = json.loads(box.run(PYTHON, "-I", "-c", READ_BLOCK))
    return found


def results(box: Box) -> None:
    """Wait until the PLC gets new results."""
    before = words(box)[2]
    until(lambda: words(box)[3] == ADVISORY and words(box)[2] != before, "new results in the PLC", 60)


def status(box: Box) -> dict:
    return json.loads(box.run("edge-agent", "status", CONFIG, "--json"))


def pid(box: Box) -> int:
    return int(box.unit(UNIT, "MainPID")["MainPID"])


def query(box: Box, sql: str) -> list[list]:
    """Ask the history."""
    return json.loads(box.run(PYTHON, "-I", "-c", QUERY, sql))


def count_results(box: Box) -> int:
    ((rows,),) = query(box, "select count(*) from result")
    return int(rows)


def at_work(box: Box) -> Box:
    """Start the service if need be, and wait for its results."""
    box.run("systemctl", "start", UNIT)
    box.becomes(UNIT, ActiveState="active", SubState="running")
    results(box)
    return box

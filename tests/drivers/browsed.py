"""`edge-agent browse` as people run it, and what the agent makes of the tag file that it wrote."""

import csv
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from edge_agent.cli import main


def run(*words: str | Path, code: int = 0) -> str:
    ended = CliRunner().invoke(main, ["browse", *map(str, words)])
    assert ended.exit_code == code, ended.output
    return ended.output


def read_back(url: str, folder: Path, file: Path) -> dict[str, Any]:
    """Read all tags of a file that was written, as the agent would."""
    config = folder / "plant.toml"
    config.write_text(
        f'[agent]\nstate = "."\n[device.a]\ndriver = "opc-ua"\nurl = "{url}"\nsecurity = "none"\n'
        f'timeout = "20s"\ntags = "{file.name}"\n'
    )
    read = json.loads(CliRunner().invoke(main, ["read", str(config), "--json"]).stdout)
    with file.open(newline="", encoding="utf-8") as opened:
        assert len(list(csv.DictReader(opened))) == len(read)
    return {
        reading["name"].removeprefix("a."): reading["meaning"] or reading["value"]
        for reading in read
        if reading["quality"] == "GOOD"
    }

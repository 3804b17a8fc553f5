"""Every command that a document shows is there with its options, and every command is in a document."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from converter.cli import main as converter
from edge_agent.cli import main as agent
from edge_agent.plant.__main__ import main as plant

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("examples/**/*.md"),
]
PROGRAMS = {"edge-agent": agent, "edge-converter": converter, "edge_agent.plant": plant}
OTHERS = {"--collector.textfile.directory", "--nthreads", "--kiosk", "--live"}
"""Options of programs that are not of the package."""
CODE = re.compile(r"^(?:    |\t).*|`[^`\n]+`", re.MULTILINE)
CALL = re.compile(
    r"(?:^|sudo |uv run |&& |[;&] |-m |bin/)(edge-agent|edge-converter|edge_agent\.plant) +([a-z].*)"
)


def shown(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield program and words of every call in the code of a page; what explains it is cut off."""
    text = re.sub(r"^```\w*\n(.*?)^```", lambda m: re.sub("(?m)^", "    ", m[1]), page.read_text("utf-8"),
                  flags=re.MULTILINE | re.DOTALL)  # fmt: skip
    for code in CODE.findall(re.sub(r"\\\n\s*", "", text)):
        if call := CALL.search(code.strip("` \t")):
            yield call[1], re.split(r"\s{3,}|[;&>#]| -- ", call[2])[0].split()


def find(program: str, words: list[str]) -> tuple[tuple[str, ...], click.Command]:
    """Follow words down the tree of commands; raises `LookupError` if there is none of a name."""
    path: tuple[str, ...] = (program,)
    command: click.Command = PROGRAMS[program]
    for word in words:
        if isinstance(command, click.Group):
            if word in command.commands:
                path, command = (*path, word), command.commands[word]
            elif not word.startswith("-") and not any(isinstance(p, click.Argument) for p in command.params):
                raise LookupError(f"{' '.join(path)} has no command {word}")
    return path, command


def options(command: click.Command) -> set[str]:
    """The options of a command and of all below it."""
    own = {name for parameter in command.params for name in parameter.opts} | {"--help", "--version"}
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*map(options, below))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_document_shows_is_there(page: Path) -> None:
    for program, words in shown(page):
        path, command = find(program, words)
        asked = {word.partition("=")[0].strip("[]") for word in words if word.startswith(("-", "[-"))}
        assert asked <= options(command), f"{' '.join(path)} has no {asked - options(command)}"
    known = set().union(*map(options, PROGRAMS.values())) | OTHERS
    named = set(re.findall(r"`(--[a-z][\w.-]+)", page.read_text("utf-8")))
    assert named <= known, f"no command has {named - known}"


def leaves(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    for name, below in command.commands.items():
        yield from leaves((*path, name), below)


@pytest.mark.parametrize("program", ["edge-agent", "edge-converter"])
def test_every_command_is_in_a_document(program: str) -> None:
    told = {find(*call)[0] for page in PAGES for call in shown(page)}
    assert set(leaves((program,), PROGRAMS[program])) <= told

"""One thing that was looked at, and what to do about it."""

from enum import Enum

import msgspec


class Grade(Enum):
    """How bad it is. BAD means that the agent cannot do here what it promises."""

    OK = "OK"
    WARN = "WARN"
    BAD = "BAD"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`item` was looked at; `says` is what was found, `todo` what to do if it is not OK."""

    item: str
    grade: Grade
    says: str
    todo: str = ""

    def text(self) -> str:
        """One line, and a second one with what to do."""
        line = f"{self.grade.value:<5} {self.item:<12} {self.says}"
        return line if self.grade is Grade.OK else f"{line}\n{'':<18} {self.todo}"


def well(item: str, says: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(item=item, grade=Grade.OK, says=says)


def warn(item: str, says: str, todo: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(item=item, grade=Grade.WARN, says=says, todo=todo)


def bad(item: str, says: str, todo: str) -> Finding:
    """Return a finding that stands in the way."""
    return Finding(item=item, grade=Grade.BAD, says=says, todo=todo)

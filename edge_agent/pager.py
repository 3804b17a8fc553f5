"""A drawing that is longer than the terminal: a part of it on the screen, moved with keys."""

import os
import re
import select
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

LINE, PAGE, END = 1, 0, 10**6
"""Lines that a key moves by; `PAGE` is as many as fit."""
_MOVES = {
    "k": -LINE, "\x1b[A": -LINE, "\x1bOA": -LINE,
    "j": LINE, "\x1b[B": LINE, "\x1bOB": LINE, "\r": LINE,
    "g": -END, "\x1b[H": -END, "\x1bOH": -END, "\x1b[1~": -END,
    "G": END, "\x1b[F": END, "\x1bOF": END, "\x1b[4~": END,
}  # fmt: skip
_PAGES = {"b": -1, "\x1b[5~": -1, " ": 1, "\x1b[6~": 1}
QUIT = "q"
_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO.|.", re.DOTALL)
"""One key as terminals send it (ECMA-48, 5.4, and the application mode of VT220 keys)."""


class Keys:
    """Keys as they are pressed, within a with block; after it the terminal is as it was before.

    Where the standard input is no terminal none are ever pressed.
    """

    def __enter__(self) -> Self:
        self._there = sys.stdin.isatty()
        self._pressed: list[str] = []
        if self._there:
            self._fd = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._there:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """Return the next key, as the terminal sends it; "" if none was pressed for so long."""
        if not self._there:
            time.sleep(seconds)
            return ""
        if not self._pressed:
            if not select.select([self._fd], [], [], seconds)[0]:
                return ""
            self._pressed = _KEY.findall(os.read(self._fd, 1024).decode("utf-8", "replace"))
        return self._pressed.pop(0) if self._pressed else QUIT  # nothing to read: the terminal is gone


class Pager:
    """Draws the part of `what` that fits, between `above`, which always stays, and a line that names keys."""

    def __init__(self, what: RenderableType) -> None:
        self.what, self.above = what, Text()
        self._top, self._room, self._length = 0, 1, 0

    def press(self, key: str) -> None:
        """Move as a key says; one that says nothing does nothing."""
        self._top += _MOVES.get(key, self._room * _PAGES.get(key, 0))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = options.update(height=None)
        above = console.render_lines(self.above, whole) if self.above else []
        lines = console.render_lines(self.what, whole)
        if 0 < self._top == self._length - self._room:
            self._top = END  # who looks at the end goes on looking at it
        self._room, self._length = max(1, options.max_height - len(above) - 1), len(lines)
        self._top = max(0, min(self._top, self._length - self._room))
        shown = lines[self._top : self._top + self._room]
        for line in (*above, *shown):
            yield from line
            yield Segment.line()
        yield Text(self._keys(), "reverse", no_wrap=True, overflow="crop", end="")

    def _keys(self) -> str:
        last = min(self._top + self._room, self._length)
        if last - self._top == self._length:
            return "q ends"
        return f"lines {self._top + 1} to {last} of {self._length}: Up, Down, PgUp, PgDn, Home, End; q ends"

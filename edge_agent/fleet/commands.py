"""From the words of a command line to a command that gateways can carry out."""

import re

from edge_agent.fleet.documents import Command, CommandName

_SEGMENT = re.compile(r"[^/+#\0]+")
"""What may be part of a topic."""


class BadCommand(Exception):
    """These words are no command; the text says what is missing."""


def command_of(do: CommandName, target: str, output: str, expires: float) -> Command:
    """Make a command that expires then, in seconds since 1970. Raises `BadCommand`."""
    for word in filter(None, (target, output)):
        if not _SEGMENT.fullmatch(word):
            raise BadCommand(f"{word!r} cannot be the name of a bundle, a machine or an output")
    if do == "stop-writing":
        if target:
            raise BadCommand("stop-writing is for all that a gateway writes; leave out the name")
        return Command(do=do, expires=expires)
    if do == "acknowledge":
        if not target:
            raise BadCommand("acknowledge MACHINE [OUTPUT]: the machine is missing")
        return Command(do=do, expires=expires, target=target, output=output)
    name, _, sequence = target.rpartition("@")
    if not name or not sequence.isdecimal() or output:
        raise BadCommand(f"{do} NAME@SEQUENCE, such as bearing@4: {target!r} is not that")
    return Command(do=do, expires=expires, target=name, sequence=int(sequence))

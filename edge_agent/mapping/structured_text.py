"""The function block as Structured Text of IEC 61131-3, with nothing of any vendor's."""

import re
from importlib import resources

from edge_agent.mapping.interface import Section, Variable


def body() -> str:
    """Return the statements; all names in them are of `interface.sections`."""
    return resources.files(__package__).joinpath("supervise.st").read_text(encoding="utf-8")


def block_name(machine: str) -> str:
    """Return the function block's name: letters, digits and single underscores, as 2.1.2 allows."""
    return "FB_" + re.sub(r"[^A-Za-z0-9]+", "_", machine).strip("_")


def function_block(name: str, title: str, sections: tuple[Section, ...]) -> str:
    """Return the whole source of a function block; `title` says in one line what it is for."""
    lines = [f"(* {title.replace('*)', '* )')} *)", f"FUNCTION_BLOCK {name}"]
    for section in sections:
        lines += [section.keyword, *(_declaration(variable) for variable in section.variables), "END_VAR"]
    return "\n".join(lines) + "\n\n" + body() + "END_FUNCTION_BLOCK\n"


def _declaration(variable: Variable) -> str:
    kind = variable.type if variable.last is None else f"ARRAY[0..{variable.last}] OF {variable.type}"
    initial = f" := {variable.initial}" if variable.initial else ""
    comment = f" (* {variable.comment} *)" if variable.comment else ""
    return f"    {variable.name} : {kind}{initial};{comment}"

"""An inferred card as the TOML file that a person would write, with what was guessed and why."""

import json

from converter.inferring import Inferred


def write(inferred: Inferred, data: str) -> str:
    """Return the text of a card; `data` is the file it was inferred from. `converter.card_file` reads it."""
    card, why = inferred.card, inferred.why
    lines = [
        _comment(f"Inferred from the model and {data}. Keep it, correct it, and give it with --card."),
        f"name = {_string(card.name)}",
        f"version = {_string(card.version)}",
        f"period = {float(card.period)!r}  {_comment(why['period'])}",
        f"window = {card.window}  {_comment(why['window'])}",
        "",
        "# No [[steps]]: the model takes the columns as they are. If your training scaled them, say so here.",
        "",
        _comment(why["inputs"]),
    ]
    for given in card.inputs:
        lines += ["[[inputs]]", f"name = {_string(given.name)}", ""]
    for output in card.outputs:
        lines += [
            "# No [outputs.limits]: there is no alarm.",
            "[[outputs]]",
            f"name = {_string(output.name)}",
            f"kind = {_string(output.kind)}  {_comment(why['outputs'])}",
        ]
        if output.classes:
            lines.append(f"classes = [{', '.join(map(_string, output.classes))}]")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return "# " + "".join(char if char.isprintable() else "?" for char in text)

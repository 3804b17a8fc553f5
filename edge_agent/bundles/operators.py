"""The operators of a TFLite file, read from the file itself: nothing of it is run."""

import struct

from edge_agent.bundle import BundleError

FORBIDDEN = {"CUSTOM", "DELEGATE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}
"""Code that is not the runtime's own, and memory that would make an answer depend on the questions before."""


def operators(model: bytes) -> list[str]:
    """Return the names of the operators of all subgraphs, sorted. Raises `BundleError`, ModuleNotFoundError.

    The latter where only tflite-runtime is installed, which comes without the file's schema.
    """
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415 - 15 MB, for installing only

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
    try:
        parsed = schema.Model.GetRootAsModel(model, 0)
        used = set()
        for graph in (parsed.Subgraphs(i) for i in range(_bounded(parsed.SubgraphsLength(), model))):
            for i in range(_bounded(graph.OperatorsLength(), model)):
                used.add(graph.Operators(i).OpcodeIndex())
        codes = [parsed.OperatorCodes(index) for index in used]
        # Files of old writers have the code in a byte, those of new ones in both fields.
        return sorted({names[max(c.BuiltinCode(), c.DeprecatedBuiltinCode())] for c in codes})
    except (struct.error, IndexError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise BundleError(f"the model is not a TFLite file that can be read: {error}") from None


def problem(model: bytes, promised: list[str]) -> str:
    """Say what is wrong with the operators, "" if nothing is. Raises as `operators`."""
    found = operators(model)
    if forbidden := sorted(FORBIDDEN & set(found)):
        return f"operators that are never run here: {', '.join(forbidden)}"
    if found != sorted(promised):
        return f"the model has the operators {', '.join(found)}, the manifest says {', '.join(promised)}"
    return ""


def _bounded(length: int, model: bytes) -> int:
    """Refuse a length that the file cannot hold: a broken one would be counted through for hours."""
    if length > len(model) // 4:
        raise ValueError(f"a list of {length} in {len(model)} bytes")
    return length

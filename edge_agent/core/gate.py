"""Whether the machine runs: an expression over tags, and the time that it needs to settle.

The expression has the syntax of Python's comparisons and arithmetic, parsed once and never evaluated as code:
numbers, tags such as ``press.speed`` (in quotes where the name is no plain word), ``+ - * /``, ``< <= > >= ==
!=``, ``and or not`` and parentheses. A number stands for true where it is not 0.
"""

import ast
import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence

import msgspec

from edge_agent.core.tags import Columns, Quality, Reason

_NS = 1_000_000_000
_LARGEST = sys.float_info.max
LONGEST = 500
"""Characters: what is longer is a program, and belongs into the PLC."""

_Term = Callable[[Sequence[float]], float]
_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class ExpressionError(ValueError):
    """An expression that says nothing; the text names the position and what to write."""


class Expression:
    """One parsed expression. `tags` are the names in it, in the order of their first mention."""

    def __init__(self, text: str) -> None:
        """Parse. Raises `ExpressionError`."""
        self.tags: list[str] = []
        if len(text) > LONGEST:
            raise ExpressionError(f"{len(text)} characters; at most {LONGEST}, compute more in the PLC")
        try:
            tree = ast.parse(text.strip().replace("\n", " "), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            at = f" at position {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            raise ExpressionError(
                f"not understood{at}: write it as press.speed > 50 and press.mode == 3, "
                "names that are no plain words in quotes"
            ) from None
        self._term = self._compile(tree.body)

    def __call__(self, values: Sequence[float]) -> bool | None:
        """Say whether it holds for the values of `tags`; None where it comes to no finite number."""
        try:
            return self._term(values) != 0
        except ArithmeticError:
            return None

    def _compile(self, node: ast.expr) -> _Term:
        match node:
            case ast.BoolOp():
                return _all_or_any(node.op, [self._compile(part) for part in node.values])
            case ast.UnaryOp(op=ast.Not()):
                inner = self._compile(node.operand)
                return lambda values: inner(values) == 0
            case ast.Compare() if all(type(op) in _COMPARISONS for op in node.ops):
                terms = [self._compile(part) for part in (node.left, *node.comparators)]
                return _comparison([_COMPARISONS[type(op)] for op in node.ops], terms)
        return self._number(node)

    def _number(self, node: ast.expr) -> _Term:
        match node:
            case ast.UnaryOp(op=ast.USub()):
                inner = self._compile(node.operand)
                return lambda values: -inner(values)
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                return _arithmetic(_ARITHMETIC[type(node.op)], *map(self._compile, (node.left, node.right)))
            case ast.Constant(value=int() | float() as number) if _plain(number):
                return lambda _: float(number)
        name = node.value if isinstance(node, ast.Constant) else _dotted(node)
        if isinstance(name, str) and name:
            return self._tag(name)
        raise ExpressionError(
            f"{ast.unparse(node)!r} at position {node.col_offset + 1} is not allowed: only tags as "
            "device.tag, numbers, comparisons, + - * /, and, or, not"
        )

    def _tag(self, name: str) -> _Term:
        if name not in self.tags:
            self.tags.append(name)
        return operator.itemgetter(self.tags.index(name))


def _plain(number: float) -> bool:
    return not isinstance(number, bool) and number <= _LARGEST


def _dotted(node: ast.expr) -> str:
    """Return ``device.tag``, also with an index behind it; "" if the node is something else."""
    match node:
        case ast.Attribute(value=ast.Name(id=device), attr=tag):
            return f"{device}.{tag}"
        case ast.Attribute(value=inner, attr=tag) if before := _dotted(inner):
            return f"{before}.{tag}"
        case ast.Subscript(value=inner, slice=ast.Constant(value=int() as place)) if before := _dotted(inner):
            return f"{before}[{place}]"
    return ""


def _all_or_any(op: ast.boolop, terms: list[_Term]) -> _Term:
    if isinstance(op, ast.And):
        return lambda values: all(term(values) != 0 for term in terms)
    return lambda values: any(term(values) != 0 for term in terms)


def _arithmetic(apply: Callable[[float, float], float], left: _Term, right: _Term) -> _Term:
    def term(values: Sequence[float]) -> float:
        found = apply(left(values), right(values))
        if not math.isfinite(found):
            raise ArithmeticError
        return found

    return term


def _comparison(compare: list[Callable[[float, float], bool]], terms: list[_Term]) -> _Term:
    def term(values: Sequence[float]) -> bool:
        found = [t(values) for t in terms]
        return all(c(a, b) for c, a, b in zip(compare, found, found[1:], strict=False))

    return term


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """When a machine is looked at: while `running` holds, from `settle` seconds after it began to hold on."""

    running: str
    settle: float = 0.0


class Gatekeeper:
    """One machine's gate, cycle by cycle. `tags` are those that it looks at."""

    def __init__(self, gate: Gate) -> None:
        self._holds, self._settle = Expression(gate.running), int(gate.settle * _NS)
        self.tags = self._holds.tags
        self._since: int | None = None

    def judge(self, told: Columns, now: int) -> tuple[Reason, str]:
        """Take what `tags` are at `now` (monotonic ns). Return why there is to be no score, and whose fault.

        A value that is BAD makes it unknown whether the machine runs, and that is no score either; one that
        is UNCERTAIN counts. An agent that starts beside a running machine waits for `settle`, too.
        """
        reason, culprit = self._unknown(told)
        if reason is Reason.NONE:
            holds = self._holds(told.value.tolist())
            reason = {None: Reason.NOT_FINITE, False: Reason.MACHINE_IDLE, True: Reason.NONE}[holds]
        if reason is not Reason.NONE:
            self._since = None
            return reason, culprit
        if self._since is None:
            self._since = now
        return (Reason.MACHINE_SETTLING if now - self._since < self._settle else Reason.NONE), ""

    def _unknown(self, told: Columns) -> tuple[Reason, str]:
        for row, quality in enumerate(told.quality):
            if quality == Quality.BAD:
                return Reason(int(told.reason[row])), self.tags[row]
        return Reason.NONE, ""

"""Runs Structured Text: the syntax tree that blark makes of a function block, and only what such blocks use.

Types are checked before anything runs, in every branch. What it does not know is an error, and so is what a
PLC would be free to do in its own way: a number outside its type, an overflow, an index outside its array.
"""

import functools
import operator

import numpy as np
from blark import transform as tree
from blark.parse import parse_source_code

ZERO = {"BOOL": False, "INT": 0, "UINT": 0, "WORD": 0, "TIME": 0, "REAL": np.float32(0)}
RANGES = {"INT": (-0x8000, 0x7FFF), "UINT": (0, 0xFFFF), "WORD": (0, 0xFFFF), "TIME": (0, 0xFFFFFFFF)}
LITERAL = "literal integer"
"""The type of 5, which is whatever integer it stands beside."""
INTEGERS = ("INT", "UINT")
EQUAL = {"=": operator.eq, "<>": operator.ne}
ORDER = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
LOGIC = {"AND": operator.and_, "OR": operator.or_, "XOR": operator.xor}
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}
FUNCTIONS = {
    "UINT_TO_WORD": ("UINT", "WORD", int),
    "WORD_TO_INT": ("WORD", "INT", int),
    "WORD_TO_UINT": ("WORD", "UINT", int),
    "INT_TO_REAL": ("INT", "REAL", np.float32),
    "UINT_TO_REAL": ("UINT", "REAL", np.float32),
}


class NotRunnable(Exception):
    """A construct that this machine does not know, or a program that does what no PLC should."""


def fits(kind, value):
    """Return the value as its type holds it."""
    if kind in RANGES:
        low, high = RANGES[kind]
        if not low <= value <= high:
            raise NotRunnable(f"{value} is no {kind}")
    return np.float32(value) if kind == "REAL" else value


@functools.cache
def parse(source):
    """Return the syntax tree of the only function block in the source. Takes seconds, so it is kept."""
    parsed = parse_source_code(source)
    if parsed.exception is not None:
        raise parsed.exception
    (block,) = parsed.transform().items
    return block


class FunctionBlock:
    """One instance. BOOL is bool, REAL float32, the others int; TIME is in ms."""

    def __init__(self, source):
        block = parse(source)
        self.name = str(block.name)
        self.types, self.sizes, self.values, self.constants, self.inputs = {}, {}, {}, set(), set()
        for section in block.declarations:
            for item in section.items:
                self._declare(section, item)
        self._run = self._block(block.body)

    def __call__(self, **inputs):
        """Set inputs, run one cycle, return a copy of all variables."""
        for name, value in inputs.items():
            assert name in self.inputs, name
            whole = [fits(self.types[name], v) for v in value] if name in self.sizes else None
            assert whole is None or len(whole) == self.sizes[name], name
            self.values[name] = fits(self.types[name], value) if whole is None else whole
        with np.errstate(all="raise"):
            self._run()
        return dict(self.values)

    def _declare(self, section, item):
        (declared,) = item.variables
        name, spec = str(declared.variable.name), item.init.spec
        if name.upper() in (known.upper() for known in self.types):
            raise NotRunnable(f"{name} is declared twice")
        if isinstance(spec, tree.ArraySpecification):
            (span,) = spec.subranges
            assert str(span.start.value) == "0"
            self.types[name], self.sizes[name] = str(spec.type.type_name), int(str(span.stop.value)) + 1
            self.values[name] = [ZERO[self.types[name]]] * self.sizes[name]
        else:
            self.types[name] = str(spec.type)
            self.values[name] = ZERO[self.types[name]]
        if item.init.value is not None:
            assert name not in self.sizes
            self.values[name] = fits(self.types[name], self._as(self.types[name], item.init.value)())
        if isinstance(section, tree.InputDeclarations):
            self.inputs.add(name)
        if section.attrs == tree.VariableAttributes.constant:
            self.constants.add(name)

    def _block(self, listed):
        steps = [self._statement(statement) for statement in listed.statements]

        def run():
            for step in steps:
                step()

        return run

    def _statement(self, node):
        match node:
            case tree.AssignmentStatement(variables=[target]):
                kind, store = self._target(target)
                value = self._as(kind, node.expression)
                return lambda: store(value())
            case tree.IfStatement():
                return self._choice(node)
            case tree.ForStatement(step=None):
                return self._loop(node)
        raise NotRunnable(type(node).__name__)

    def _choice(self, node):
        ways = [(node.if_expression, node.statements)]
        ways += [(way.if_expression, way.statements) for way in node.else_ifs]
        ways = [(self._as("BOOL", condition), self._block(listed)) for condition, listed in ways]
        otherwise = self._block(node.else_clause.statements) if node.else_clause else lambda: None

        def run():
            next((listed for condition, listed in ways if condition()), otherwise)()

        return run

    def _loop(self, node):
        kind, store = self._target(node.control)
        first, last = self._as(kind, node.from_), self._as(kind, node.to)
        _, counter = self._expression(node.control)
        listed = self._block(node.statements)

        def run():
            store(first())
            end = last()
            while counter() <= end:
                listed()
                store(counter() + 1)

        return run

    def _target(self, node):
        """Return the type of a variable, and what stores a value in it."""
        if isinstance(node, tree.MultiElementVariable):
            name, index = self._element(node)
        else:
            name, index = str(node.name), None
        kind, values = self.types[name], self.values
        if name in self.constants or name in self.inputs or (name in self.sizes) != (index is not None):
            raise NotRunnable(f"{name} is assigned to")

        def store(value):
            values[name] = fits(kind, value)

        def store_element(value):
            values[name][index()] = fits(kind, value)

        return kind, store if index is None else store_element

    def _element(self, node):
        name, (brackets,) = str(node.name.name), node.elements
        (subscript,) = brackets.subscripts
        index, size = self._as("INT", subscript), self.sizes[name]

        def checked():
            if not 0 <= (row := index()) < size:
                raise NotRunnable(f"{name}[{row}]")
            return row

        return name, checked

    def _as(self, wanted, node):
        kind, value = self._expression(node)
        if kind != wanted and not (kind == LITERAL and wanted in INTEGERS):
            raise NotRunnable(f"{kind} where {wanted} belongs: {node}")
        return value

    def _expression(self, node):
        """Return the type of an expression, and what computes it."""
        match node:
            case tree.Boolean():
                return "BOOL", _always(str(node.value).upper() == "TRUE")
            case tree.HexBitString(type_name="WORD"):
                return "WORD", _always(int(str(node.value), 16))
            case tree.Integer(type_name=None):
                return LITERAL, _always(int(str(node.value)))
            case tree.Real(type_name=None):
                return "REAL", _always(np.float32(str(node.value)))
            case tree.Duration(days=None, hours=None, minutes=None, seconds=None, negative=False):
                return "TIME", _always(int(str(node.milliseconds)))
            case tree.ParenthesizedExpression():
                return self._expression(node.expr)
            case tree.SimpleVariable() if str(node.name) not in self.sizes:
                values, name = self.values, str(node.name)
                return self.types[name], lambda: values[name]
            case tree.MultiElementVariable():
                values, (name, index) = self.values, self._element(node)
                return self.types[name], lambda: values[name][index()]
            case tree.UnaryOperation():
                return _unary(str(node.op), *self._expression(node.expr))
            case tree.BinaryOperation():
                return self._binary(str(node.op), node.left, node.right)
            case tree.FunctionCall(parameters=[tree.InputParameterAssignment(name=None, value=value)]):
                takes, kind, function = FUNCTIONS[str(node.name.name)]
                argument = self._as(takes, value)
                return kind, lambda: fits(kind, function(argument()))
        raise NotRunnable(f"{type(node).__name__}: {node}")

    def _binary(self, op, left, right):
        (kind, a), (other, b) = self._expression(left), self._expression(right)
        if kind == LITERAL and other in INTEGERS:
            kind = other
        if other not in (kind, LITERAL) or (other == LITERAL and kind not in (*INTEGERS, LITERAL)):
            raise NotRunnable(f"{kind} {op} {other}")
        if op in EQUAL or (op in ORDER and kind not in ("BOOL", "WORD")):
            compare = (EQUAL | ORDER)[op]
            return "BOOL", lambda: bool(compare(a(), b()))
        if op in LOGIC and kind in ("BOOL", "WORD"):
            return kind, lambda: LOGIC[op](a(), b())
        if op in ARITHMETIC and (kind in (*INTEGERS, "REAL", LITERAL) or (op, kind) == ("+", "TIME")):
            return kind, lambda: fits(kind, ARITHMETIC[op](a(), b()))
        if op == "/" and kind in INTEGERS:
            return kind, lambda: fits(kind, int(a() / b()))  # towards zero, as 2.5.1.5.2 says
        raise NotRunnable(f"{kind} {op} {other}")


def _always(value):
    return lambda: value


def _unary(op, kind, value):
    if (op, kind) == ("NOT", "BOOL"):
        return kind, lambda: not value()
    if op == "-" and kind in ("REAL", LITERAL):
        return kind, lambda: -value()
    raise NotRunnable(f"{op} {kind}")

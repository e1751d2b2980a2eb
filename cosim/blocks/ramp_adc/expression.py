"""An activation function given as a Python expression of x, e.g. `1 / (1 + exp(-x))`, without running any Python.

The text is parsed to a syntax tree, and the tree is walked: only the nodes, names and functions below pass, and they
become a function on arrays. Nothing is evaluated by Python's own `eval`, no attribute, index, call of anything else or
keyword is known, and length, depth and powers are limited, so that no text can hang or fill the machine.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cosim.errors import CosimError, did_you_mean

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

LONGEST = 400  # characters
MOST_NODES = 200  # of the syntax tree; it is then at most so deep too
LARGEST_POWER = 64.0

FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "abs": (np.abs, 1),
    "atan": (np.arctan, 1),
    "cos": (np.cos, 1),
    "cosh": (np.cosh, 1),
    "erf": (special.erf, 1),
    "exp": (np.exp, 1),
    "log": (np.log, 1),
    "log1p": (np.log1p, 1),
    "max": (np.maximum, 2),
    "min": (np.minimum, 2),
    "sigmoid": (special.expit, 1),
    "sign": (np.sign, 1),
    "sin": (np.sin, 1),
    "sinh": (np.sinh, 1),
    "softplus": (lambda x: np.logaddexp(0.0, x), 1),
    "sqrt": (np.sqrt, 1),
    "tan": (np.tan, 1),
    "tanh": (np.tanh, 1),
}
"""Name -> (function on arrays, number of arguments)."""

CONSTANTS = {"pi": math.pi, "e": math.e}

_BINARY: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip


@lru_cache(maxsize=64)
def parse_expression(text: str) -> Function:
    """The function of x that `text` describes; it takes and gives float64 arrays of any shape.

    Known are numbers, x, pi, e, + - * / **, the functions of `FUNCTIONS`, and `a if x < b else c`. A power must be a
    plain number of at most 64. Where the expression has no value (the logarithm of a negative number) it gives NaN.
    Raises CosimError naming the part that is not allowed.
    """
    if len(text) > LONGEST:
        raise _refusal("the expression is too long", f"{len(text)} characters", f"at most {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal("this is not an expression", text, "a Python expression of x, e.g. 1/(1+exp(-x))") from error
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise _refusal("the expression is too large", text, f"at most {MOST_NODES} parts")
    build = _built(tree.body)

    def function(x: Array) -> Array:
        values = np.asarray(x, dtype=np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(np.broadcast_to(np.asarray(build(values), dtype=np.float64), values.shape)) + 0.0

    return function


def _built(node: ast.expr) -> Callable[[Array], Any]:
    """The node as a function of x."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            number = _finite(value)
            return lambda x: number
        case ast.Name(id=name):
            return _named(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _built(operand)
            return lambda x: np.negative(inner(x))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _built(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, power = _built(left), _power(right)
            return lambda x: np.power(base(x), power)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
            one, two, combine = _built(left), _built(right), _BINARY[type(operator)]
            return lambda x: combine(one(x), two(x))
        case ast.IfExp(test=ast.Compare(left=left, ops=[operator], comparators=[right]), body=body, orelse=orelse):
            if type(operator) in _COMPARE:
                compare = _COMPARE[type(operator)]
                parts = [_built(each) for each in (left, right, body, orelse)]
                return lambda x: np.where(compare(parts[0](x), parts[1](x)), parts[2](x), parts[3](x))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if not any(
            isinstance(each, ast.Starred) for each in args
        ):
            return _called(name, args)
    raise _refusal(
        "this part is not allowed in an expression", ast.unparse(node),
        "numbers, x, pi, e, + - * / **, `a if x < b else c`, and the functions " + ", ".join(FUNCTIONS),
    )  # fmt: skip


def _named(name: str) -> Callable[[Array], Any]:
    if name == "x":
        return lambda x: x
    if name not in CONSTANTS:
        known = ["x", *CONSTANTS]
        hint = f"; {name} needs an argument" if name in FUNCTIONS else did_you_mean(name, known)
        raise _refusal(f"this name is not known in an expression{hint}", name, known)
    value = CONSTANTS[name]
    return lambda x: value


def _called(name: str, args: list[ast.expr]) -> Callable[[Array], Any]:
    if name not in FUNCTIONS:
        raise _refusal(f"this function is not known.{did_you_mean(name, FUNCTIONS)}", name, list(FUNCTIONS))
    function, count = FUNCTIONS[name]
    if len(args) != count:
        raise _refusal(f"{name} takes {count} argument{'s' if count > 1 else ''}", f"{len(args)} given")
    parts = [_built(each) for each in args]
    return lambda x: function(*(part(x) for part in parts))


def _power(node: ast.expr) -> float:
    sign, inner = 1.0, node
    while isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub | ast.UAdd):
        sign, inner = (-sign if isinstance(inner.op, ast.USub) else sign), inner.operand
    match inner:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if abs(value) <= LARGEST_POWER:
                return sign * float(value)
    raise _refusal(
        "a power must be a plain number", ast.unparse(node),
        f"-{LARGEST_POWER:g} to {LARGEST_POWER:g}; write exp(b*log(a)) for others",
    )  # fmt: skip


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _refusal("this number is too large", str(value)[:40])
    return number


def _refusal(message: str, value: object, allowed: object = None) -> CosimError:
    return CosimError(message, key="function", value=value, allowed=allowed)  # type: ignore[arg-type]

"""Arithmetic on an expression's syntax tree; nothing else in it can run."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

LONGEST_EXPRESSION = 1_000
MOST_BITS = 20_000

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "round": round,
    "min": min,
    "max": max,
    **{name: getattr(math, name) for name in ("sqrt", "exp", "log", "log2", "log10", "floor", "ceil")},
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "atan2")},
    **{name: getattr(math, name) for name in ("degrees", "radians", "hypot", "gcd")},
}


class CalculationError(Exception):
    """The expression has no value here."""


def calculate(expression: str) -> dict[str, Any]:
    """The value of an arithmetic expression."""
    if len(expression) > LONGEST_EXPRESSION:
        raise CalculationError(f"The expression is longer than {LONGEST_EXPRESSION:,} characters.")
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
        value = _value(tree.body)
    except (SyntaxError, MemoryError, RecursionError) as exc:
        raise CalculationError(f"{expression!r} is not an arithmetic expression: {exc}.") from exc
    except (ArithmeticError, ValueError, TypeError) as exc:
        raise CalculationError(f"{expression!r} has no value: {exc}.") from exc
    if isinstance(value, float) and not math.isfinite(value):
        raise CalculationError(f"{expression!r} is not a finite number.")
    return {"expression": expression, "result": value}


def _value(node: ast.expr) -> int | float:
    match node:
        case ast.Constant(value=bool()):
            raise CalculationError("True and False are not numbers here.")
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(operand))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _bounded(_BINARY[type(sign)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*map(_value, arguments)))
        case _:
            names = ", ".join(sorted([*_FUNCTIONS, *_CONSTANTS]))
            raise CalculationError(
                f"{ast.unparse(node)!r} is not allowed: numbers, + - * / // % **, parentheses and {names}."
            )


def _power(base: int | float, exponent: int | float) -> int | float:
    # Worked out before it is done: 9**9**9 would take all the memory there is.
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > MOST_BITS:
        raise CalculationError(f"{base}**{exponent} is too large to be written out.")
    result = base**exponent
    if isinstance(result, complex):
        raise CalculationError(f"{base}**{exponent} is not a real number.")
    return _bounded(result)


def _bounded(value: int | float) -> int | float:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise CalculationError("The result is too large to be written out.")
    return value

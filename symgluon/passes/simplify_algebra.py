"""Arithmetic that changes nothing is dropped; what has a simpler operator takes it.

Given    %a = add(%x, 0)   %b = multiply(%a, 2)   %c = multiply(%b, 3)   %d = power(%c, 0.5)
Result   %c = multiply(%x, 6)                                            %d = sqrt(%c)

Dtype and shape of every use stay: a neutral operand that broadcasts the other one is kept.
Factors are joined (within a rounding of the interpreter), sums of floats are not: ``(x + 1) - 1``
may be meant.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import OPS
from symgluon.passes.manager import explaining, graph_pass
from symgluon.passes.rewrite import Edit, Rule, constant, leave, number, producer, sweep
from symgluon.passes.simplify_einsum import as_product

_LOOKED_AT = 4096  # elements of a constant that are compared with a neutral number


def _fill(value: Value | None) -> Any:
    """Return the number that every element of `value` is known to be, else None."""
    data = constant(value)
    if data is not None:
        if not 0 < data.size <= _LOOKED_AT or data.dtype.kind not in "fiuV":
            return None
        first = data.reshape(-1)[0]
        return float(first) if bool(np.all(data == first)) else None
    node = producer(value, "full", "zeros_like", "ones_like")
    if node is None:
        return None
    if node.op.name == "full":
        return number(node.inputs[0])
    return 0.0 if node.op.name == "zeros_like" else 1.0


def _neutral(target: float, *slots: int) -> Rule:
    """``x + 0``, ``x * 1``, ``x / 1``, ...: the other operand, if one of `slots` is `target`."""

    def rule(edit: Edit, node: Node) -> Value | None:
        for slot in slots:
            other = node.inputs[1 - slot]
            fits = other is not None and other.type == node.output.type
            if fits and _fill(node.inputs[slot]) == target:
                return other
        if explaining() and any(_fill(node.inputs[slot]) == target for slot in slots):
            return leave(node, f"the operand of all {target:g} gives the result its shape")
        return None

    return rule


def _first(edit: Edit, node: Node) -> Value | None:
    return node.inputs[0]


# ---- functions of functions --------------------------------------------------------------------
_ROUNDED = ("floor", "ceil", "trunc", "rint", "round")
_NOT_NEGATIVE = ("relu", "abs", "square", "exp", "exp2", "sqrt", "sigmoid", "softplus")


def _fixed_by(*names: str) -> Rule:
    """``f(g(x))`` is ``g(x)``, as for ``relu(relu(x))``."""

    def rule(edit: Edit, node: Node) -> Value | None:
        return node.inputs[0] if producer(node.inputs[0], *names) is not None else None

    return rule


def _involution(edit: Edit, node: Node) -> Value | None:
    """``-(-x)``: x."""
    inner = producer(node.inputs[0], node.op.name)
    return None if inner is None else inner.inputs[0]


def _minus_difference(edit: Edit, node: Node) -> Value | None:
    """``-(a - b)``: ``b - a``."""
    inner = producer(node.inputs[0], "subtract")
    if inner is None:
        return None
    if not edit.single_use(inner.output):
        return leave(node, f"the difference %{inner.output.name} is read elsewhere")
    return edit.put(inner.op, inner.inputs[::-1], node, inner)


def _plus_minus(edit: Edit, node: Node) -> Value | None:
    """``a + (-b)``: ``a - b``;  ``a - (-b)``: ``a + b``."""
    for slot in (1, 0) if node.op.name == "add" else (1,):
        inner = producer(node.inputs[slot], "negative")
        if inner is not None:
            op = OPS["subtract" if node.op.name == "add" else "add"]()
            return edit.put(op, [node.inputs[1 - slot], inner.inputs[0]], node, inner)
    return None


# ---- powers ------------------------------------------------------------------------------------
_POWERS = {2.0: "square", 0.5: "sqrt", -1.0: "reciprocal", -0.5: "rsqrt"}


def _power(edit: Edit, node: Node) -> Value | None:
    """``x ** 2``, ``x ** 0.5``, ``x ** -1``, ``x ** -0.5``."""
    x = node.inputs[0]
    exponent = _fill(node.inputs[1])
    if exponent is None or x is None:
        return None
    name = _POWERS.get(exponent)
    if name is None:
        return leave(node, f"no operator is simpler for the exponent {exponent:g}")
    if not dtypes.is_float(x.dtype):
        return leave(node, f"the base is {dtypes.name(x.dtype)}")
    if x.type != node.output.type:
        return leave(node, "the exponent gives the result its shape")
    return edit.put(OPS[name](), [x], node)


def _product_with_itself(edit: Edit, node: Node) -> Value | None:
    """``x * x``: ``square(x)``."""
    a, b = node.inputs
    if a is None or a is not b or a.dtype.kind == "b":
        return None
    return edit.put(OPS["square"](), [a], node)


def _one_over(edit: Edit, node: Node) -> Value | None:
    """``1 / x``: ``reciprocal(x)``."""
    x = node.inputs[1]
    if x is None or not dtypes.is_float(x.dtype) or _fill(node.inputs[0]) != 1.0:
        return None
    return edit.put(OPS["reciprocal"](), [x], node)


def _reciprocal_of_root(edit: Edit, node: Node) -> Value | None:
    """``reciprocal(sqrt(x))``: ``rsqrt(x)``."""
    inner = producer(node.inputs[0], "sqrt")
    return None if inner is None else edit.put(OPS["rsqrt"](), inner.inputs, node, inner)


# ---- bounds ------------------------------------------------------------------------------------
def _at_least_zero(edit: Edit, node: Node) -> Value | None:
    """``maximum(x, 0)``: ``relu(x)``."""
    for slot in (1, 0):
        x = node.inputs[1 - slot]
        if x is None or _fill(node.inputs[slot]) != 0.0:
            continue
        if x.type == node.output.type:
            return edit.put(OPS["relu"](), [x], node)
        return leave(node, "the operand of all 0 gives the result its shape")
    return None


def _between(edit: Edit, node: Node) -> Value | None:
    """``minimum(maximum(x, a), b)`` or ``minimum(relu(x), b)`` with a <= b: ``clip(x, a, b)``."""
    for slot in (1, 0):
        high = _fill(node.inputs[slot])
        inner = producer(node.inputs[1 - slot], "maximum", "relu")
        if high is None or inner is None:
            continue
        if not edit.single_use(inner.output):
            return leave(node, f"the bounded value %{inner.output.name} is read elsewhere")
        low, x = 0.0, inner.inputs[0]
        if inner.op.name == "maximum":
            places = [i for i in (1, 0) if _fill(inner.inputs[i]) is not None]
            if not places:
                continue
            low, x = _fill(inner.inputs[places[0]]), inner.inputs[1 - places[0]]
        if x is None or not dtypes.is_float(x.dtype):
            return leave(node, "its operand is no float")
        if not low <= high:
            return leave(node, f"the bounds {low:g} and {high:g} are in the wrong order")
        if x.type != node.output.type:
            return leave(node, "a bound gives the result its shape")
        return edit.put(OPS["clip"](a_min=float(low), a_max=float(high)), [x], node, inner)
    return None


# ---- factors -----------------------------------------------------------------------------------
def _factor(node: Node) -> tuple[Value, Any, bool] | None:
    """What ``x * c`` and ``x / c`` multiply: x, c and whether it divides."""
    for slot in (1, 0) if node.op.name == "multiply" else (1,):
        x, c = node.inputs[1 - slot], number(node.inputs[slot])
        if c is not None and x is not None and x.type == node.output.type:
            return x, c, node.op.name == "true_divide"
    return None


_MODERATE = 2.0**24


def _join_factors(edit: Edit, node: Node) -> Value | None:
    """``(x * a) * b``: ``x * (a * b)``, and the like for divisors; integers only multiply."""
    outer = _factor(node)
    inner_node = None if outer is None else producer(outer[0], "multiply", "true_divide")
    inner = None if inner_node is None else _factor(inner_node)
    if outer is None or inner is None or inner_node is None:
        return None
    if not edit.single_use(inner_node.output):
        return leave(node, f"the product %{inner_node.output.name} is read elsewhere")
    (_, b, b_divides), (x, a, a_divides) = outer, inner
    dtype = node.output.dtype
    if not dtypes.is_float(dtype):
        if a_divides or b_divides:
            return leave(node, "integers are divided: the rounding in between counts")
        bits = 8 * dtype.itemsize
        wrapped = (a * b) % 2**bits
        both = np.asarray(wrapped, np.uint64).astype(dtype)
        if both == 1:
            return x
        return edit.put(OPS["multiply"](), [x, edit.constant(both, dtype)], node, inner_node)
    if any(v and not 1 / _MODERATE < abs(v) < _MODERATE for v in (a, b)) or not a * b:
        # the way through a very large or small number may be meant
        return leave(node, f"the factors {a:g} and {b:g} are very large or small")
    if a_divides and b_divides:
        return edit.put(OPS["true_divide"](), [x, edit.constant(a * b, dtype)], node, inner_node)
    factor = (1 / a if a_divides else a) * (1 / b if b_divides else b)
    if not math.isfinite(factor):
        return leave(node, f"the factors {a:g} and {b:g} have no finite product")
    if factor == 1.0:
        return x
    return edit.put(OPS["multiply"](), [x, edit.constant(factor, dtype)], node, inner_node)


def _join_integers(edit: Edit, node: Node) -> Value | None:
    """``(x + a) + b`` of integers: ``x + (a + b)``."""
    dtype = node.output.dtype
    for slot in (1, 0):
        inner = producer(node.inputs[1 - slot], "add")
        b = number(node.inputs[slot])
        if inner is None or b is None or dtype.kind not in "iu":
            continue
        for place in (1, 0):
            a, x = number(inner.inputs[place]), inner.inputs[1 - place]
            if a is not None and x is not None and x.type == node.output.type:
                both = np.asarray((a + b) % 2 ** (8 * dtype.itemsize), np.uint64).astype(dtype)
                return edit.put(node.op, [x, edit.constant(both, dtype)], node, inner)
    return None


# ---- casts -------------------------------------------------------------------------------------
@lru_cache(maxsize=512)
def lossless(source: Any, target: Any) -> bool:
    """Whether every number of dtype `source` is one of dtype `target`."""
    if source == target or source.kind == "b":
        return True
    if "bfloat16" in (source.name, target.name):
        return source.name == "bfloat16" and target in (dtypes.float32, dtypes.float64)
    if target.kind == "f" and source.kind in "iu":
        return bool(source.itemsize < target.itemsize)
    return bool(np.can_cast(source, target, "safe"))


def _cast(edit: Edit, node: Node) -> Value | None:
    """A cast to the same dtype, and one after a cast that lost nothing."""
    x = node.inputs[0]
    if x is None or x.dtype == node.output.dtype:
        return x
    inner = producer(x, "cast")
    source = None if inner is None else inner.inputs[0]
    if inner is None or source is None:
        return None
    if not lossless(source.dtype, x.dtype):
        return leave(
            node,
            f"the cast %{x.name} before it loses digits: "
            f"{dtypes.name(source.dtype)} to {dtypes.name(x.dtype)}",
        )
    if source.dtype == node.output.dtype:
        return source
    return edit.put(node.op, [source], node, inner)


def _same_branches(edit: Edit, node: Node) -> Value | None:
    """``where(c, x, x)``: x."""
    return node.inputs[1] if node.inputs[1] is node.inputs[2] else None


RULES: dict[str, tuple[Rule, ...]] = {
    "identity": (_first,),
    "cast": (_cast,),
    "where": (_same_branches,),
    "einsum": (as_product,),
    "add": (_neutral(0.0, 0, 1), _plus_minus, _join_integers),
    "subtract": (_neutral(0.0, 1), _plus_minus),
    "multiply": (_neutral(1.0, 0, 1), _product_with_itself, _join_factors),
    "true_divide": (_neutral(1.0, 1), _one_over, _join_factors),
    "power": (_neutral(1.0, 1), _power),
    "reciprocal": (_reciprocal_of_root,),
    "negative": (_involution, _minus_difference),
    "logical_not": (_involution,),
    "invert": (_involution,),
    "relu": (_fixed_by(*_NOT_NEGATIVE),),
    "abs": (_fixed_by(*_NOT_NEGATIVE),),
    "sign": (_fixed_by("sign"),),
    "maximum": (_at_least_zero,),
    "minimum": (_between,),
    "stop_gradient": (_fixed_by("stop_gradient"),),
    **dict.fromkeys(_ROUNDED, (_fixed_by(*_ROUNDED),)),
}


@graph_pass("simplify_algebra")
def simplify_algebra(graph: Graph) -> int:
    """Drop neutral operands, casts and functions without effect; join factors; name powers."""
    return sweep(graph, RULES)

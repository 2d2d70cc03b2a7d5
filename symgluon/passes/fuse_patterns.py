"""Compositions that are an operator become that operator.

Given    %a = multiply(%x, 0.70710678)   %b = erf(%a)   %c = add(%b, 1)   %d = multiply(%x, %c)
         %y = multiply(%d, 0.5)
Result   %y = gelu(%x)

GELU (erf and tanh form), hard sigmoid, layer and RMS normalisation, softmax and log-softmax.
Every one of them lowers to one ONNX node in a recent opset, and to the same nodes as before in an
old one.  Values agree within the operator's tolerance; nothing inside a match may be read
elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.ir.dims import same
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import OPS
from symgluon.ops.apply import F
from symgluon.ops.rms_norm import RmsNorm
from symgluon.passes.manager import count, graph_pass
from symgluon.passes.pattern import Match, Pattern, apply_patterns
from symgluon.passes.rewrite import Edit, constant, leave, number, origins, producer

Functions = Sequence[Callable[..., Any]]


# ---- GELU --------------------------------------------------------------------------------------
def _gelu_erf(x: Any) -> Any:
    return x * 0.5 * (F.erf(x * math.sqrt(0.5)) + 1.0)


def _gelu_tanh(x: Any) -> Any:
    inner = x + x * x * x * 0.044715
    return x * 0.5 * (F.tanh(inner * math.sqrt(2 / math.pi)) + 1.0)


def _gelu_tanh_factored(x: Any) -> Any:
    inner = x * (x * x * 0.044715 + 1.0)
    return x * 0.5 * (F.tanh(inner * math.sqrt(2 / math.pi)) + 1.0)


class _Gelu(Pattern):
    """``x * Phi(x)``, exact or by tanh."""

    roots = ("multiply", "true_divide")

    def __init__(self, approximation: bool) -> None:
        self.name = "gelu (tanh)" if approximation else "gelu"
        self.approximation = approximation

    def patterns(self) -> Functions:
        return (_gelu_tanh, _gelu_tanh_factored) if self.approximation else (_gelu_erf,)

    def replace(self, edit: Edit, match: Match) -> Value:
        op = OPS["gelu"](approximation=self.approximation)
        return edit.put(op, [match.values["x"]], match.root, *match.nodes)


# ---- hard sigmoid ------------------------------------------------------------------------------
def _relu6(x: Any) -> Any:
    return F.clip(x + 3.0, a_min=0.0, a_max=6.0)


class _HardSigmoid(Pattern):
    """``relu6(x + 3) / 6``, and that times x: one operator less in a recent MobileNet."""

    roots = ("multiply", "true_divide")

    def __init__(self, swish: bool) -> None:
        self.name = "hard_swish" if swish else "hard_sigmoid"
        self.swish = swish

    def patterns(self) -> Functions:
        if self.swish:
            return (lambda x: x * _relu6(x) * (1 / 6),)
        return (lambda x: _relu6(x) * (1 / 6),)

    def replace(self, edit: Edit, match: Match) -> Value:
        x = match.values["x"]
        op = OPS["hard_sigmoid"](alpha=1 / 6, beta=0.5)
        part = edit.put(op, [x], match.root, *match.nodes)
        return (
            edit.put(OPS["multiply"](), [x, part], match.root, *match.nodes)
            if self.swish
            else part
        )


# ---- normalisations ----------------------------------------------------------------------------
def _normed(x: Any, eps: Any) -> Any:
    d = x - F.mean(x, axis=-1, keepdims=True)
    return d * F.rsqrt(F.mean(d * d, axis=-1, keepdims=True) + eps)


def _normed_by_var(x: Any, eps: Any) -> Any:
    d = x - F.mean(x, axis=-1, keepdims=True)
    return d * F.rsqrt(F.var(x, axis=-1, keepdims=True) + eps)


def _rms(x: Any, eps: Any) -> Any:
    return x * F.rsqrt(F.mean(x * x, axis=-1, keepdims=True) + eps)


def _vector(value: Value, axis: int, node: Node) -> Any:
    """Size of `value` if it is a vector along `axis` of the result of `node`, else None."""
    rank = len(node.output.type.known_shape)
    size = node.output.type.known_shape[axis]
    shape = value.type.known_shape
    lead = rank - len(shape)
    if lead > axis or not same(shape[axis - lead], size):
        return None
    ones = [n for i, n in enumerate(shape) if i != axis - lead]
    return size if all(same(n, 1) for n in ones) else None


def _as_vector(edit: Edit, value: Value, node: Node) -> Value:
    """Return `value`, a vector with axes of size 1 around it, without them."""
    if len(value.type.known_shape) == 1:
        return value
    data = constant(value)
    if data is not None:
        return edit.constant(data.reshape(-1), data.dtype, value.name)
    inner = producer(value, "reshape", "expand_dims")
    if inner is not None and inner.inputs[0] is not None:
        source = inner.inputs[0]
        if len(source.type.known_shape) == 1:
            return source
    size = [n for n in value.type.known_shape if not same(n, 1)] or [1]
    made = edit.graph.add(
        OPS["reshape"](shape=tuple(size)),
        [value],
        value.type.with_shape(size),
        name=value.name,
        origin=origins(node),
        before=node,
    )
    return made.output


class _Norm(Pattern):
    """A normalisation over one axis; without gamma or beta they are ones and zeros."""

    free = ("axis",)
    numbers = ("eps",)
    operator = ""
    vectors: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    def check(self, match: Match) -> str | None:
        axes = match.attrs["axis"]
        if axes is None or len(axes) != 1:
            return f"it goes over the axes {axes}"
        if match.number("eps") < 0:
            return "its eps is negative"
        for name in self.given:
            if _vector(match.values[name], axes[0], match.root) is None:
                return f"{name} is no vector along axis {axes[0]}"
        size = match.root.output.type.known_shape[axes[0]]
        if len(self.given) < len(self.vectors) and not isinstance(size, int):
            return "the size of its axis is no number"
        return None

    def replace(self, edit: Edit, match: Match) -> Value:
        axis = match.attrs["axis"][0]
        rank = len(match.root.output.type.known_shape)
        op = OPS[self.operator](axis=-1 if axis == rank - 1 else axis, eps=match.number("eps"))
        x = match.values["x"]
        operands = [x]
        for name in self.vectors:
            if name in self.given:
                operands.append(_as_vector(edit, match.values[name], match.root))
            else:
                fill = np.full(x.type.known_shape[axis], float(name == "gamma"))
                operands.append(edit.constant(fill, x.dtype, name))
        return edit.put(op, operands, match.root, *match.nodes)


class _LayerNorm(_Norm):
    operator = "layer_norm"
    vectors = ("gamma", "beta")

    def __init__(self, given: tuple[str, ...], root: tuple[str, ...]) -> None:
        self.name = "layer_norm"
        self.given = given
        self.roots = root

    def patterns(self) -> Functions:
        def scaled(core: Any) -> Callable[..., Any]:
            if self.given == ("gamma", "beta"):
                return lambda x, gamma, beta, eps: core(x, eps) * gamma + beta
            if self.given:
                return lambda x, gamma, eps: core(x, eps) * gamma
            return lambda x, eps: core(x, eps)

        return [scaled(_normed), scaled(_normed_by_var)]


class _RmsNorm(_Norm):
    operator = RmsNorm.name
    vectors = ("gamma",)

    def __init__(self, given: tuple[str, ...]) -> None:
        self.name = "rms_norm"
        self.given = given
        self.roots = ("multiply", "true_divide")

    def patterns(self) -> Functions:
        if self.given:
            return (lambda x, gamma, eps: _rms(x, eps) * gamma,)
        return (_rms,)


# ---- softmax -----------------------------------------------------------------------------------
def _softmax(x: Any) -> Any:
    e = F.exp(x - F.max(x, axis=-1, keepdims=True))
    return e / F.sum(e, axis=-1, keepdims=True)


def _plain_softmax(x: Any) -> Any:
    e = F.exp(x)
    return e / F.sum(e, axis=-1, keepdims=True)


def _log_softmax(x: Any) -> Any:
    return F.log(F.softmax(x, axis=-1))


def _log_sum_exp(x: Any) -> Any:
    return x - F.logsumexp(x, axis=-1, keepdims=True)


def _shifted_log_softmax(x: Any) -> Any:
    d = x - F.max(x, axis=-1, keepdims=True)
    return d - F.log(F.sum(F.exp(d), axis=-1, keepdims=True))


class _Softmax(Pattern):
    """Softmax or its logarithm over one axis."""

    free = ("axis", "temperature")

    def __init__(self, name: str, roots: tuple[str, ...], functions: Functions) -> None:
        self.name = name
        self.roots = roots
        self.functions = functions

    def patterns(self) -> Functions:
        return self.functions

    def check(self, match: Match) -> str | None:
        axes = match.attrs["axis"]
        return None if axes is not None and len(axes) == 1 else f"it goes over the axes {axes}"

    def replace(self, edit: Edit, match: Match) -> Value:
        axis = match.attrs["axis"][0]
        rank = len(match.root.output.type.known_shape)
        known = match.attrs.get("temperature")
        op = OPS[self.name](axis=-1 if axis == rank - 1 else axis, temperature=known)
        return edit.put(op, [match.values["x"]], match.root, *match.nodes)


PATTERNS: tuple[Pattern, ...] = (
    _Gelu(approximation=False),
    _Gelu(approximation=True),
    _HardSigmoid(swish=True),
    _HardSigmoid(swish=False),
    # the larger first: with gamma and beta, with gamma, without
    _LayerNorm(("gamma", "beta"), ("add",)),
    _LayerNorm(("gamma",), ("multiply", "true_divide")),
    _LayerNorm((), ("multiply", "true_divide")),
    _RmsNorm(("gamma",)),
    _RmsNorm(()),
    _Softmax("softmax", ("true_divide", "multiply"), (_softmax, _plain_softmax)),
    _Softmax("log_softmax", ("log",), (_log_softmax,)),
    _Softmax("log_softmax", ("subtract",), (_log_sum_exp, _shifted_log_softmax)),
)


def _temperature(edit: Edit, node: Node) -> Value | None:
    """``softmax(x / t)`` and ``softmax(x * c)``: softmax with a temperature."""
    inner = producer(node.inputs[0], "true_divide", "multiply")
    if inner is None:
        return None
    for slot in (1, 0) if inner.op.name == "multiply" else (1,):
        c, x = number(inner.inputs[slot]), inner.inputs[1 - slot]
        if c is None or x is None or x.type != node.output.type:
            continue
        if not edit.single_use(inner.output):
            return leave(node, f"its scaled operand %{inner.output.name} is read elsewhere")
        divisor = c if inner.op.name == "true_divide" else (1 / c if c else 0.0)
        known = node.op.attrs()["temperature"] or 1.0
        if not (divisor > 0 and math.isfinite(divisor * known)):
            return leave(node, f"{divisor * known} is no temperature")
        return edit.put(node.op.replace(temperature=divisor * known), [x], node, inner)
    return None


@graph_pass("fuse_patterns", needs=("simplify_algebra", "drop_stop_gradient"))
def fuse_patterns(graph: Graph) -> int:
    """Recognise GELU, hard sigmoid, layer and RMS normalisation, softmax and its logarithm."""
    fused = 0
    while found := apply_patterns(graph, PATTERNS):  # a match may end in another
        fused += found
    return fused + _scaled_softmax(graph)


def _scaled_softmax(graph: Graph) -> int:
    edit = Edit(graph)
    for node in graph.nodes:
        if node.op.name not in ("softmax", "log_softmax"):
            continue
        value = _temperature(edit, node)
        if value is not None:
            edit.take_place(node, value)
            count(f"{node.op.name} with scale")
    return edit.count

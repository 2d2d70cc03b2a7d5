"""Patterns: plain functions of operators, traced at the candidate's type and matched backwards.

Products and quotients are matched as sets of factors, so ``0.5 * x * (1 + t)``,
``x * (t + 1) / 2`` and ``(1 + t) * (x * 0.5)`` are one pattern, and ``d / sqrt(v)`` is
``d * rsqrt(v)``.  Other commutative operators match in either order.  A pattern operand matches
any value, the same one everywhere; one named in `Pattern.numbers` matches constants of one
element.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.ir.dims import DimScope
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.types import TensorType, normalize_axes
from symgluon.ops.region import Region
from symgluon.passes.manager import count, explain, run_pipeline
from symgluon.passes.rewrite import COMMUTATIVE, Edit, constant, number

#: powers of the operands of what counts as a product
_POWERS = {
    "multiply": (1.0, 1.0),
    "true_divide": (1.0, -1.0),
    "square": (1.0, 1.0),
    "sqrt": (0.5,),
    "rsqrt": (-0.5,),
    "reciprocal": (-1.0,),
}
_MOST_FACTORS = 5
_MOST_NODES = 12  # of a product: a long chain of factors is no pattern
_CLOSE = {"float16": 1e-3, "bfloat16": 1e-2, "float32": 1e-5, "float64": 1e-7}


class Match(NamedTuple):
    """What a pattern was found to be.

    Attributes
    ----------
    values : dict of str to Value
        Values by the names of the pattern's operands.
    attrs : dict of str to object
        What the free attributes are.
    nodes : tuple of Node
        The matched nodes, without the root.
    """

    root: Node
    values: dict[str, Value]
    attrs: dict[str, Any]
    nodes: tuple[Node, ...]

    def number(self, name: str) -> float:
        """Return the number that the operand `name` of `Pattern.numbers` matched, as it was written."""
        data = constant(self.values[name])
        return float(str(data.reshape(-1)[0])) if data is not None else math.nan


class Pattern:
    """A rule whose left side is a pattern; subclasses say what and when to replace.

    Attributes
    ----------
    name : str
        What it makes, in reasons.
    roots : tuple of str
        Operators of the last node of the pattern.
    numbers : tuple of str
        Operands that only match constants of one element.
    free : tuple of str
        Attributes that may have any value, the same one at all nodes of the match.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.ops.apply import F
    >>> from symgluon.ir.op import OPS
    >>> from symgluon.passes.pattern import Pattern, apply_patterns
    >>> class ProductOfPowers(Pattern):
    ...     name = "exp(a) * exp(b)"
    ...     roots = ("multiply",)
    ...
    ...     def patterns(self):
    ...         return [lambda a, b: F.exp(a) * F.exp(b)]
    ...
    ...     def replace(self, edit, match):
    ...         a, b = match.values["a"], match.values["b"]
    ...         total = edit.put(OPS["add"](), [a, b], match.root, *match.nodes)
    ...         return edit.put(OPS["exp"](), [total], match.root, *match.nodes)
    >>> net = mx.gluon.nn.HybridLambda(lambda x, y: mx.np.exp(x) * mx.np.exp(y))
    >>> graph = net.graph_for(mx.np.ones(2), mx.np.ones(2))
    >>> apply_patterns(graph, [ProductOfPowers()])
    1
    >>> [node.op.name for node in graph.nodes]
    ['add', 'exp']
    """

    name: str = ""
    roots: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    free: tuple[str, ...] = ()

    def patterns(self) -> Sequence[Callable[..., Any]]:
        """Return the functions to match, each of named operands."""
        return ()

    def check(self, match: Match) -> str | None:
        """Return why `match` is left alone, or None."""
        return None

    def replace(self, edit: Edit, match: Match) -> Value:
        """Return what stands for the result of a match.

        Parameters
        ----------
        edit : Edit
            Adds nodes and constants.
        match : Match
            Values by the names of the operands of the pattern, and attributes.

        Returns
        -------
        Value
            Of the type of the result.

        Raises
        ------
        MXNetError
            If the subclass does not define it.
        """
        raise SymgluonError(f"pattern {self.name} has no replacement")


class _State(NamedTuple):
    """A partial match; never changed, so that a dead end is simply left."""

    bound: dict[Value, Value]
    attrs: dict[str, Any]
    nodes: dict[Node, None]


class _Factor(NamedTuple):
    """One factor of a product: a value, or the square root of one, or its inverse."""

    value: Value
    power: float  # 1, 0.5, -1, -0.5


# ---- tracing patterns --------------------------------------------------------------------------
class _NoQuestions(DimScope):
    """Tracing a pattern must not ask about sizes: what would is no pattern at this type."""

    def ask(self, p: Any, relation: str) -> bool:
        raise SymgluonError("a pattern asks about a symbolic size")


@lru_cache(maxsize=1024)
def _traced(rule: Pattern, index: int, type: TensorType) -> tuple[Graph, tuple[str, ...]] | None:
    """Pattern number `index` of `rule` at operands of `type`; None if it makes no sense there."""
    function = rule.patterns()[index]
    names = tuple(inspect.signature(function).parameters)
    region = Region(rule.name, _NoQuestions())
    with region.active():
        operands = [
            region.argument(n, TensorType((), type.dtype) if n in rule.numbers else type)
            for n in names
        ]
        try:
            graph = region.close([function(*operands)])
        except SymgluonError:
            return None
    # in the form in which the pipelines bring graphs to this point
    run_pipeline(graph, ("eliminate_dead", "simplify_algebra", "eliminate_common"))
    return graph, names


# ---- matching ----------------------------------------------------------------------------------
class _Matcher:
    def __init__(self, rule: Pattern, pattern: Graph, edit: Edit) -> None:
        self.rule = rule
        self.edit = edit
        self.numbers = {v for v in pattern.inputs if v.name in rule.numbers}

    def value(self, p: Value, v: Value | None, state: _State) -> Iterator[_State]:
        """Match the value `v` against the value `p` of the pattern."""
        if v is None:
            return
        if p.kind == "input":
            yield from self._operand(p, v, state)
        elif p.kind == "constant":
            if _close(p, v):
                yield state
        elif p.producer is not None and v.producer is not None:
            yield from self.node(p.producer, v.producer, state)

    def _operand(self, p: Value, v: Value, state: _State) -> Iterator[_State]:
        known = state.bound.get(p)
        if known is not None:
            if known is v:
                yield state
        elif p not in self.numbers or number(v) is not None:
            yield state._replace(bound={**state.bound, p: v})

    def node(self, p: Node, v: Node, state: _State) -> Iterator[_State]:
        """Match two nodes and what they read."""
        if _parts(p):
            if _parts(v):
                yield from self._product(p, v, state)
            return
        attrs = self._attributes(p, v, state)
        if attrs is None or len(p.inputs) != len(v.inputs):
            return
        state = state._replace(attrs=attrs, nodes={**state.nodes, v: None})
        slots = range(len(p.inputs))
        orders = permutations(slots) if p.op.name in COMMUTATIVE else (tuple(slots),)
        for order in orders:
            pairs = [(p.inputs[i], v.inputs[j]) for i, j in zip(slots, order, strict=True)]
            # operands last: what has a structure says which value they are
            pairs.sort(key=lambda pair: pair[0] is not None and pair[0].producer is None)
            yield from self._all(pairs, state)

    def _all(
        self, pairs: Sequence[tuple[Value | None, Value | None]], state: _State
    ) -> Iterator[_State]:
        if not pairs:
            yield state
            return
        (p, v), *rest = pairs
        if p is None:
            if v is None:
                yield from self._all(rest, state)
            return
        for found in self.value(p, v, state):
            yield from self._all(rest, found)

    def _attributes(self, p: Node, v: Node, state: _State) -> dict[str, Any] | None:
        """Free attributes so far with those of `v`; None if the operators differ."""
        if type(p.op) is not type(v.op):
            return None
        wanted, have = p.op.attrs(), v.op.attrs()
        attrs = dict(state.attrs)
        rank = len(v.inputs[0].type.known_shape) if v.inputs and v.inputs[0] is not None else 0
        for key, value in have.items():
            value, want = _normal(key, value, rank), _normal(key, wanted[key], rank)
            if key in self.rule.free:
                if attrs.setdefault(key, value) != value:
                    return None
            elif value != want:
                return None
        return attrs

    # ---- products --------------------------------------------------------------------------
    def _product(self, p: Node, v: Node, state: _State) -> Iterator[_State]:
        want, want_factor, _ = _factors(p, None)
        have, factor, nodes = _factors_of(v, self.edit)
        if len(want) != len(have) or len(have) > _MOST_FACTORS or len(nodes) > _MOST_NODES:
            return
        if abs(factor - want_factor) > _tolerance(v.output) * abs(want_factor):
            return
        state = state._replace(nodes={**state.nodes, **dict.fromkeys(nodes)})
        want = sorted(want, key=lambda f: f.value.producer is None)
        for order in permutations(have):
            if all(a.power == b.power for a, b in zip(want, order, strict=True)):
                pairs = [(a.value, b.value) for a, b in zip(want, order, strict=True)]
                yield from self._all(pairs, state)


def _factors_of(node: Node, edit: Edit) -> tuple[list[_Factor], float, list[Node]]:
    """`_factors` in a graph, remembered until it changes: every pattern asks for them."""
    stamp, known = edit.products
    if stamp != edit.count:
        known = {}
        edit.products = (edit.count, known)
    found = known.get(node)
    if found is None:
        found = known[node] = _factors(node, edit)
    return found


def _factors(node: Node, edit: Edit | None) -> tuple[list[_Factor], float, list[Node]]:
    """Factors of a product, its constant, and the nodes it is made of.

    With `edit` (a graph, no pattern) a product inside that has other uses is a factor itself.
    """
    found: list[_Factor] = []
    coefficient = 1.0
    nodes: list[Node] = []
    stack: list[tuple[Value, float]] = [(node.output, 1.0)]
    while stack and len(nodes) <= _MOST_NODES:
        value, power = stack.pop()
        c = number(value)
        if c is not None and (c > 0 or power in (1.0, -1.0)) and c:
            coefficient *= float(c) ** power
            continue
        inner = value.producer
        whole = inner is None or not _parts(inner)
        if not whole and value is not node.output:
            whole = len(value.uses) != 1 if edit is None else not edit.single_use(value)
        if whole or inner is None:
            found.append(_Factor(value, power))
            continue
        nodes.append(inner)
        stack += [(v, power * e) for v, e in _parts(inner)]
    return found, coefficient, nodes


def _parts(node: Node) -> list[tuple[Value, float]]:
    """Operands of a product with their powers; none if the node is no product."""
    operands = [v for v in node.inputs if v is not None]
    if node.op.name == "power":
        exponent = number(operands[1])
        if exponent in (2, 3, 4):
            return [(operands[0], 1.0)] * int(exponent)
        return [(operands[0], exponent)] if exponent in (-1.0, 0.5, -0.5) else []
    powers = _POWERS.get(node.op.name, ())
    if len(operands) < len(powers):
        operands = operands * 2
    return list(zip(operands, powers, strict=False))


def _normal(key: str, value: Any, rank: int) -> Any:
    """An attribute as it is compared: axes counted from the front."""
    if key in ("axis", "axes") and rank and value is not None:
        return tuple(sorted(normalize_axes(value, rank)))
    return value


def _tolerance(value: Value) -> float:
    return _CLOSE.get(value.dtype.name, 0.0)


def _close(p: Value, v: Value) -> bool:
    """Whether two constants are equal within the rounding of their dtype."""
    a, b = constant(p), constant(v)
    if a is None or b is None or (a.size != b.size and 1 not in (a.size, b.size)):
        return False
    wide = [np.asarray(x, np.float64) for x in (a, b)]
    if a.size > 1 and a.shape != b.shape:
        return False
    rtol = _tolerance(v)
    return bool(np.allclose(wide[1], wide[0], rtol=rtol, atol=0.0))


def find_match(rule: Pattern, node: Node, edit: Edit) -> Match | None:
    """Return the first match of a rule that ends at a node.

    A value inside the match that is read elsewhere too is a reason to leave it alone.

    Parameters
    ----------
    rule : Pattern
        The rule.
    node : Node
        The last node of the match.
    edit : Edit
        The graph.

    Returns
    -------
    Match or None
        None if there is none.
    """
    for index in range(len(rule.patterns())):
        traced = _traced(rule, index, node.output.type)
        if traced is None:
            continue
        graph, names = traced
        root = graph.outputs[0]
        matcher = _Matcher(rule, graph, edit)
        for state in matcher.value(root, node.output, _State({}, {}, {})):
            inside = tuple(n for n in state.nodes if n is not node)
            values = {p.name: v for p, v in state.bound.items()}
            if len(values) != len(names):
                continue
            found = Match(node, values, state.attrs, inside)
            if _is_closed(found, edit):
                return found
            explain(f"{rule.name} at %{node.output.name}: a value inside is read elsewhere")
            break
    return None


def _is_closed(match: Match, edit: Edit) -> bool:
    inside = {*match.nodes, match.root}
    return all(
        value not in edit.outputs and all(user in inside for user, _ in value.uses)
        for node in match.nodes
        for value in node.outputs
    )


def apply_patterns(graph: Graph, rules: Sequence[Pattern]) -> int:
    """Replace every match of some rules in a graph.

    Nodes are visited last first, so that the largest match wins; each rule only looks at nodes
    whose operator may end its pattern.

    Parameters
    ----------
    graph : Graph
        It is changed.
    rules : sequence of Pattern
        The rules.

    Returns
    -------
    int
        Number of matches replaced.
    """
    by_root: dict[str, list[Pattern]] = {}
    for rule in rules:
        for name in rule.roots:
            by_root.setdefault(name, []).append(rule)
    edit = Edit(graph)
    for node in reversed(graph.nodes):
        if node not in graph:
            continue
        for rule in by_root.get(node.op.name, ()):
            match = find_match(rule, node, edit)
            if match is None:
                continue
            reason = rule.check(match)
            if reason is not None:
                explain(f"{rule.name} at %{node.output.name}: {reason}")
                continue
            value = rule.replace(edit, match)
            if value.type == node.output.type:
                edit.take_place(node, value)
                count(rule.name)
                _drop(graph, match.nodes)
                break
    return edit.count


def _drop(graph: Graph, nodes: Sequence[Node]) -> None:
    """Remove matched nodes, users first."""
    for node in sorted(nodes, key=lambda n: -n.order):
        if node in graph and not any(v.uses for v in node.outputs):
            graph.remove(node)

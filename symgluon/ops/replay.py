"""Replaying graphs through the door: eagerly, recorded, or into the region being traced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symgluon.ir.dims import Dim, DimScope
from symgluon.ir.graph import Graph, Node, Origin, Value, join_origins
from symgluon.ir.types import same_shape
from symgluon.ops.apply import apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state


def unify(
    formal: Sequence[Sequence[Any] | None], actual: Sequence[Sequence[Any] | None]
) -> dict[str, Any]:
    """Bind the dimension names in the `formal` shapes to the dimensions of the `actual` ones.

    Names that stand alone bind directly; then expressions linear in one unbound name are solved.
    The two sides may use one name for different things.  Names that the formal shapes have in
    products only (``batch*time``, what the body of a child block is given) are bound so that the
    product is right: nothing of the body can tell them apart.
    """
    found: dict[str, Any] = {}
    later: list[tuple[Dim, Any]] = []
    for f, a in zip(formal, actual, strict=True):
        if f is None or a is None:
            continue
        for want, have in zip(f, a, strict=False):
            if not isinstance(want, Dim):
                continue
            name = want.bare
            if name is not None:
                found.setdefault(name, have)
            else:
                later.append((want, have))
    several = [pair for pair in later if not _solve(*pair, found, most=1)]
    for want, have in several:
        _solve(want, have, found, most=len(want.names()))
    return found


_UNBOUND = "\0"  # no dimension has this name


def _solve(want: Dim, have: Any, found: dict[str, Any], most: int) -> bool:
    """Bind the unbound names of `want`, at `most` so many; False if there are more."""
    missing = [n for n in want.names() if n not in found]
    if len(missing) > most:
        return False
    if not missing:
        return True
    if isinstance(have, Dim) and have.key() == want.key() and len(missing) == len(want.names()):
        found.update({n: Dim(n) for n in missing})  # the call that the body was traced for
        return True
    first, *others = missing
    if others and not isinstance(have, Dim):
        return True  # numbers are asked for: what cannot be known stays an error
    renamed = want.rename({first: _UNBOUND})
    known = {**found, **dict.fromkeys(others, 1)}
    solved = renamed.solve(_UNBOUND, have, known) if isinstance(renamed, Dim) else None
    if solved is not None:
        found.update({first: solved, **dict.fromkeys(others, 1)})
    return True


def dims_of(graph: Graph, shapes: Sequence[Sequence[Any] | None]) -> dict[str, Any]:
    """Bind the named dimensions of `graph` to the shapes of its operands."""
    return unify([v.type.shape for v in graph.operands()], shapes)


def substitution(mapping: Mapping[str, Any]) -> Any:
    """Return the function that puts `mapping` into a dimension (None if it changes nothing)."""
    changes = {k: v for k, v in mapping.items() if not (isinstance(v, Dim) and v.bare == k)}
    if not changes:
        return None
    return lambda dim: dim.substitute(changes)


def replay(graph: Graph, operands: Sequence[Any]) -> list[Any]:
    """Apply every node of `graph` in order; returns handles to its results."""
    shapes = [None if o is None else o.shape for o in operands]
    bind = substitution(dims_of(graph, shapes))
    env: dict[Value, Any] = dict(zip(graph.operands(), operands, strict=True))
    region = state.region
    for value, array in graph.constants.items():
        env[value] = wrap(array if region is None else region.graph.add_constant(array))
    for node in graph.nodes:
        op = node.op if bind is None else node.op.map_dims(bind)
        results = apply(op, *[None if v is None else env[v] for v in node.inputs])
        if isinstance(results, tuple):
            env.update(zip(node.outputs, results, strict=True))
        else:
            env[node.outputs[0]] = results
        if region is not None:
            made = results if isinstance(results, tuple) else (results,)
            _keep_origin(made[0], node.origin)
            _keep_sizes(made, node, bind, region.scope)
    return [env[v] for v in graph.outputs]


def _keep_origin(result: Array, origin: tuple[Origin, ...]) -> None:
    producer = result._content().producer
    if producer is not None:
        producer.origin = join_origins((), origin)


def _keep_sizes(results: Sequence[Array], node: Node, bind: Any, scope: DimScope) -> None:
    """Let sizes that depend on data keep their names: inference gave them new ones."""
    for value, result in zip(node.outputs, results, strict=True):
        shape = value.type.shape
        if shape is None or value.type.is_static:
            continue
        want = tuple([bind(n) if bind is not None and isinstance(n, Dim) else n for n in shape])
        content = result._content()
        have = content.type.shape
        if have is None or len(have) != len(want) or same_shape(have, want):
            continue
        if not any(isinstance(n, Dim) and n.bare and scope.hint(n) is None for n in have):
            continue
        known = set(scope.names())
        for n in want:
            for name in n.names() if isinstance(n, Dim) else ():
                if name not in known:
                    scope.declare(name, None)
        content.type = content.type.with_shape(want)

"""Reverse-mode differentiation over producers.

Content knows what produced it: a :class:`TapeNode` (operator, operands, results) or a
:class:`Leaf` (``attach_grad``).  There is no list a scope, so two `record` scopes in a row form one
graph.  The rules are operators too: run under `record` they are recorded (any order of
derivative), run inside a region they build a gradient graph.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, SymgluonError, UnsupportedOpError
from symgluon.ir.op import OPS, Op
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

_sequence = itertools.count()

Saved = tuple[Any, Any, int]  # content, producer, output index


class TapeNode:
    """One recorded call."""

    __slots__ = ("inputs", "op", "outputs", "retained", "seq")

    def __init__(self, op: Op | None, inputs: tuple[Saved | None, ...], outputs: tuple[Any, ...]):
        self.op = op
        self.inputs: tuple[Saved | None, ...] | None = inputs
        self.outputs = outputs
        #: results that were made variables: their gradients go into the leaf, and on
        self.retained: dict[int, Leaf] | None = None
        self.seq = next(_sequence)


class Leaf(TapeNode):
    """A variable gradients are wanted for.

    Attributes
    ----------
    grad : Array
        Handle that receives the gradient.
    req : str
        ``write``, ``add`` or ``null``.
    source : (TapeNode, int), optional
        What produced the content, where a recorded result was made a variable.
    """

    __slots__ = ("grad", "req", "source")

    def __init__(self, grad: Any, req: str, source: tuple[TapeNode, int] | None = None) -> None:
        super().__init__(None, (), ())
        self.grad = grad
        self.req = req
        self.source = source


def record(op: Op, operands: Sequence[Any], results: Sequence[Array]) -> None:
    """Put a call on the tape: `results` know their producer from now on."""
    inputs = tuple(
        (o._data, o._node, o._out)
        if isinstance(o, Array)
        else (None if o is None else (o, None, 0))
        for o in operands
    )
    node = TapeNode(op, inputs, tuple([r._data for r in results]))
    for i, result in enumerate(results):
        result._node = node
        result._out = i
        result._owned = False
    for o in operands:
        if isinstance(o, Array):
            o._owned = False


GRAD_REQS = ("write", "add", "null")


class GradReqError(AttributeValueError, KeyError):
    """A `grad_req` that does not exist: a KeyError in MXNet."""


def make_variable(cell: Array, gradient: Array, req: str) -> None:
    """Let the gradient of the content of `cell` go into `gradient`.

    A recorded result stays what it is: its gradient is kept and goes on (as in MXNet 2.0; 1.9 cuts
    it off), also where it was used before.

    Raises
    ------
    GradReqError
        If `req` is not one of `GRAD_REQS`.
    """
    if req not in GRAD_REQS:
        raise GradReqError("grad_req", expected=GRAD_REQS, received=req)
    node = cell._node
    if node is None or isinstance(node, Leaf):
        cell._leaf = leaf = Leaf(gradient, req)
        cell._node, cell._out = (None if req == "null" else leaf), 0
        return
    cell._leaf = Leaf(gradient, req, (node, cell._out))
    node.retained = {**(node.retained or {}), cell._out: cell._leaf}


def forget_variable(cell: Array) -> None:
    """Undo `make_variable`: gradients of the content go nowhere, or on as before."""
    leaf, cell._leaf = cell._leaf, None
    if leaf is None or leaf.source is None:
        cell._node = None
        return
    node, out = leaf.source
    node.retained = {i: kept for i, kept in (node.retained or {}).items() if i != out}


Store = dict[tuple[int, int], Any]


def pullback(
    heads: Sequence[Saved],
    cotangents: Sequence[Array | None],
    *,
    create_graph: bool = False,
    retain_graph: bool = True,
    targets: Sequence[tuple[Any, int]] = (),
    stop: bool = False,
) -> tuple[dict[Leaf, Array], list[Array | None]]:
    """Propagate cotangents of `heads` back; with `stop`, not past the `targets`.

    Returns
    -------
    leaves : dict
        Cotangent of every leaf reached.
    wanted : list
        Cotangent of each of `targets` (producer, output index), None where nothing arrived.
    """
    cts: Store = {}
    queue: list[tuple[int, int, TapeNode]] = []
    queued: set[int] = set()
    nodes: list[TapeNode] = []  # keeps ids alive

    def accumulate(node: TapeNode, out: int, ct: Array) -> None:
        key = (id(node), out)
        known = cts.get(key)
        cts[key] = ct if known is None else known + ct
        if id(node) not in queued:
            queued.add(id(node))
            nodes.append(node)
            heapq.heappush(queue, (-node.seq, id(node), node))

    for (_, node, out), ct in zip(heads, cotangents, strict=True):
        if node is not None and ct is not None:
            accumulate(node, out, ct)
    leaves: dict[Leaf, Array] = {}
    found: dict[tuple[int, int], Array] = {}
    asked: dict[int, list[int]] = {}
    for target, out in targets:
        asked.setdefault(id(target), []).append(out)
    while queue:
        _, _, node = heapq.heappop(queue)
        for out in asked.get(id(node), ()):
            if (id(node), out) in cts:
                found[(id(node), out)] = cts[(id(node), out)]
        if stop and id(node) in asked:
            continue
        if isinstance(node, Leaf):
            leaves[node] = cts[(id(node), 0)]
            continue
        leaves.update(_retained(node, cts))
        _step(node, cts, accumulate, create_graph)
        if not retain_graph:
            node.inputs = None
            node.outputs = ()
    return leaves, [found.get((id(n), o)) for n, o in targets]


def _retained(node: TapeNode, cts: Store) -> dict[Leaf, Array]:
    """Cotangents of the results of `node` that were made variables."""
    if not node.retained:
        return {}
    found = {leaf: cts.get((id(node), i)) for i, leaf in node.retained.items()}
    return {leaf: ct for leaf, ct in found.items() if ct is not None}


def reachable(heads: Sequence[Saved]) -> tuple[set[int], bool]:
    """Ids of all producers that `heads` depend on, whether a gradient arrives there or not.

    The second result tells whether that is all: the operands of a node may have been dropped.
    """
    found: set[int] = set()
    whole = True
    stack = [node for _, node, _ in heads if node is not None]
    while stack:
        node = stack.pop()
        if id(node) in found:
            continue
        found.add(id(node))
        whole = whole and node.inputs is not None
        stack.extend(s[1] for s in node.inputs or () if s is not None and s[1] is not None)
    return found, whole


def _step(node: TapeNode, cts: Store, accumulate: Callable[..., None], record_rules: bool) -> None:
    """Run the gradient rule of one node."""
    op, inputs = node.op, node.inputs
    if inputs is None or op is None:
        raise SymgluonError(
            "the graph was already differentiated and its intermediate values were dropped",
            hint="call backward(retain_graph=True) the first time to differentiate twice",
        )
    if op.no_grad:
        return
    handles = [_rebuild(s, record_rules) for s in inputs]
    ys = [wrap(d) for d in node.outputs]
    if record_rules:
        for i, y in enumerate(ys):
            y._node, y._out = node, i
    ct = [cts.pop((id(node), i), None) for i in range(len(ys))]
    saved = (taping(), state.wanted)
    _set_taping(record_rules)
    state.wanted = tuple([s is not None and s[1] is not None for s in inputs])
    try:
        if len(ys) == 1:
            grads = op.grad(ct[0], ys[0], *handles)
        else:
            grads = op.grad(tuple(ct), tuple(ys), *handles)
    finally:
        _set_taping(saved[0])
        state.wanted = saved[1]
    if not isinstance(grads, tuple | list):
        grads = (grads,)
    if len(grads) != len(inputs):
        raise UnsupportedOpError(
            f"{op.name}: the gradient rule gave {len(grads)} results for {len(inputs)} operands"
        )
    for source, grad in zip(inputs, grads, strict=True):
        if source is not None and source[1] is not None and grad is not None:
            if grad.dtype != source[0].dtype:
                grad = OPS["cast"](source[0].dtype)(grad)
            accumulate(source[1], source[2], grad)


def _rebuild(saved: Saved | None, tracked: bool) -> Array | None:
    if saved is None:
        return None
    handle: Array = wrap(saved[0])
    if tracked:
        handle._node, handle._out = saved[1], saved[2]
    return handle


def taping() -> bool:
    """Whether operators called now are recorded."""
    region = state.region
    return state.recording if region is None else region.tape


def _set_taping(on: bool) -> None:
    if state.region is None:
        state.recording = on
    else:
        state.region.tape = on


def vjp(
    function: Callable[..., Any], inputs: Sequence[Array | None], cotangents: Any
) -> list[Array | None]:
    """Cotangents of `inputs` of `function` (in operators), given those of its results.

    Works eagerly and inside a region.  Where the caller records, the result is differentiable
    with respect to `inputs` in turn.
    """
    outer = taping()
    identity = OPS["identity"]()
    fresh: list[Array | None] = []
    marks: list[TapeNode | None] = []
    for x in inputs:
        if x is None or np.dtype(x.dtype).kind not in "fV":
            fresh.append(x)
            marks.append(None)
            continue
        content = x._content()
        # a fresh producer: cotangents are collected there and go no further, while what the
        # rules compute from the handle stays connected to `x`
        mark = TapeNode(identity, ((content, x._node, x._out),), (content,))
        handle: Array = wrap(content)
        handle._node = mark
        fresh.append(handle)
        marks.append(mark)
    _set_taping(True)
    try:
        results = function(*fresh)
    finally:
        _set_taping(outer)
    results = results if isinstance(results, tuple | list) else (results,)
    cts = cotangents if isinstance(cotangents, tuple | list) else (cotangents,)
    heads = [(r._content(), r._node, r._out) for r in results]
    known = [m for m in marks if m is not None]
    _, found = pullback(
        heads, list(cts), create_graph=outer, targets=[(m, 0) for m in known], stop=True
    )
    by_mark = dict(zip(map(id, known), found, strict=True))
    return [None if m is None else by_mark[id(m)] for m in marks]

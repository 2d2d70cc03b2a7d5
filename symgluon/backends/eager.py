"""Eager calls through cached one-operator sessions (`ops.apply.set_eager_backend`).

A session is made for an operator with its attributes, dtypes and ranks; sizes stay free.  Where the
lowering asked about a size, the guard is kept with the session and tested.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from symgluon import config
from symgluon.backends.sessions import Runner, make_session
from symgluon.errors import SymgluonError
from symgluon.formats.onnx.writer import build_model
from symgluon.ir.dims import DimScope, Guard
from symgluon.ir.graph import Graph
from symgluon.ir.op import Op
from symgluon.ir.types import TensorType
from symgluon.ops.region import resolve_dims

_OPSET = 20
_LIMIT = 500


class Entry(NamedTuple):
    """One session and the sizes it is good for."""

    run: Any  # Runner, or None: the operator has no session form
    guards: tuple[Guard, ...]
    names: tuple[tuple[str, int, int], ...]  # dimension, operand, axis

    def fits(self, data: Sequence[Any]) -> bool:
        """Whether the guards hold for these arrays."""
        if not self.guards:
            return True
        env = {name: data[i].shape[axis] for name, i, axis in self.names}
        return all(g.holds(env) for g in self.guards)


_cache: OrderedDict[Any, list[Entry]] = OrderedDict()


def run_in_session(op: Op, data: Sequence[Any]) -> Any:
    """Run one operator in its session; NotImplemented where it has none."""
    key = (op, *[(0, "") if d is None else (d.ndim, d.dtype.char) for d in data])
    entries = _cache.get(key)
    if entries is None:
        entries = _cache[key] = []
        if len(_cache) > _LIMIT:
            _cache.popitem(last=False)
    for entry in entries:
        if entry.fits(data):
            break
    else:
        entry = _build(op, data)
        entries.append(entry)
    if entry.run is None:
        return NotImplemented
    try:
        results = entry.run(*[d for d in data if d is not None])
    except Exception:  # onnxruntime's errors share no base class
        return NotImplemented  # operands that do not fit: the kernel says what is wrong
    return results[0] if len(results) == 1 else results


def _build(op: Op, data: Sequence[Any]) -> Entry:
    scope = DimScope()
    graph = Graph(op.name)
    names: list[tuple[str, int, int]] = []
    operands: list[Any] = []
    try:
        with scope:
            for i, array in enumerate(data):
                if array is None:
                    operands.append(None)
                    continue
                shape = []
                for axis, n in enumerate(array.shape):
                    dim = scope.new(f"n{i}_{axis}", n)
                    names.append((dim.bare or "", i, axis))
                    shape.append(dim)
                operands.append(graph.add_input(f"x{i}", TensorType(shape, array.dtype)))
            node = graph.add(op, operands)
            graph.set_outputs(node.outputs)
            resolve_dims(graph, scope)
            model = build_model(graph, opset=_OPSET, microsoft=True)
        # one thread for little work, and never a pool that spins: hundreds of sessions may live
        session = make_session(model, threads=1 if _is_small(data) else config.threads())
        runner: Any = Runner(session, [i.name for i in model.graph.input])
    except SymgluonError:
        runner = None
    return Entry(runner, tuple(scope.guards), tuple(names))


def _is_small(data: Sequence[Any]) -> bool:
    return sum(d.size for d in data if d is not None) < 1 << 16


def clear() -> None:
    """Drop all sessions."""
    _cache.clear()

"""The one door: every operator call is eager, recorded, or a node of the graph being traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.errors import AxisError, ShapeError, SymgluonError
from symgluon.ir.graph import Value
from symgluon.ir.op import OPS, Op, get_op, set_dispatcher
from symgluon.ir.types import TensorType
from symgluon.ops import derive
from symgluon.ops.array import Array, wrap
from symgluon.ops.pending import Pending, put_off
from symgluon.ops.resident import Resident
from symgluon.ops.state import state
from symgluon.ops.tape import record

#: (op, arrays) -> results or NotImplemented: one-operator sessions of a backend (layer 4)
EagerBackend = Callable[[Op, Sequence[Any]], Any]
_eager_backend: EagerBackend | None = None


def set_eager_backend(backend: EagerBackend | None) -> None:
    """Offer `backend` the eager calls whose operator declares an ``eager_min``."""
    global _eager_backend
    _eager_backend = backend


def apply(op: Op, *operands: Any) -> Any:
    """Apply `op` to handles, NumPy arrays, Python numbers or None (an absent operand).

    Returns
    -------
    Array or tuple of Array
        New handles; a tuple if the operator has several results.
    """
    if op.coerce is not None:
        operands = tuple(_coerced(op, operands))
    region = state.region
    if region is None:
        return _eager(op, operands)
    results = region.apply(op, operands)
    if region.tape and any([isinstance(o, Array) and o._node is not None for o in operands]):
        _record_traced(op, operands, results)
    return results[0] if len(results) == 1 else tuple(results)


def _record_traced(op: Op, operands: Sequence[Any], results: Sequence[Array]) -> None:
    """Record a call inside a region: what is saved is the content there."""
    producer = results[0]._data.producer
    saved: list[Array | None] = []
    for o, value in zip(operands, producer.inputs, strict=True):
        if o is None:
            saved.append(None)
        elif isinstance(o, Array):
            handle: Array = wrap(o._content())
            handle._node, handle._out = o._node, o._out
            saved.append(handle)
        else:  # the constant that the number or the array became
            saved.append(wrap(value))
    record(op, saved, results)


_NUMPY = (np.ndarray, np.generic)


class Weighted(list[Any]):
    """Operands of which all but the first are contents of parameters."""


def _weighted(operands: Sequence[Any], data: list[Any]) -> list[Any]:
    """Mark the operands of a call whose weights are parameters."""
    of_parameters = [o is None or getattr(o, "_owner", None) is not None for o in operands[1:]]
    return Weighted(data) if all(of_parameters) else data


def _eager(op: Op, operands: Sequence[Any]) -> Any:
    tracked = False
    waiting = False
    data = []
    recording = state.recording
    for o in operands:
        if isinstance(o, Array):
            if o._base is not None:
                o._look()
            content = o._data
            if type(content) is not np.ndarray:
                content = _unusual(o, op)
                waiting = waiting or type(content) is Pending
            data.append(content)
            if o._node is not None:
                tracked = recording
        else:
            data.append(o if o is None or isinstance(o, _NUMPY) else np.asarray(o))
    if waiting:
        _share(operands)
        return _put_off(op, operands, data, tracked)
    if op.reads_weights and not recording:
        data = _weighted(operands, data)
    try:
        result = run_kernel(op, data)
    except (ValueError, IndexError, TypeError) as error:
        raise _explained(op, data, error) from error
    if op.aliases:
        _share(operands)
    if type(result) is tuple:
        return _several(op, operands, result, tracked)
    handle: Array = wrap(result)
    if tracked:
        record(op, operands, (handle,))
    else:
        handle._owned = not op.aliases
    return handle


def _several(op: Op, operands: Sequence[Any], results: Any, tracked: bool) -> tuple[Any, ...]:
    handles = [wrap(r) for r in results]
    if tracked:
        record(op, operands, handles)
    return tuple(handles)


def _unusual(handle: Array, op: Op) -> Any:
    """Content of a handle that does not hold a NumPy array itself, for an operator."""
    if type(handle._data) is Resident and getattr(op, "on_device", False):
        return handle._data
    content = handle._content()
    return handle.numpy_content("use outside its trace") if type(content) is Value else content


def _put_off(op: Op, operands: Sequence[Any], data: Sequence[Any], tracked: bool) -> Any:
    """Note a call that waits for another device; its results have types only."""
    handles = _several(op, operands, put_off(op, data), tracked)
    return handles[0] if len(handles) == 1 else handles


def _share(operands: Sequence[Any]) -> None:
    """Note that results may look into the buffers of operands: nobody writes in place any more."""
    for o in operands:
        if isinstance(o, Array):
            o._root()._owned = False


def _explained(op: Op, data: Sequence[Any], error: Exception) -> Exception:
    """Return what is wrong in our words: inference knows more than the NumPy kernel that failed."""
    if isinstance(error, SymgluonError):
        return error
    types = [None if d is None else TensorType(d.shape, d.dtype) for d in data]
    try:
        op.infer(*types)
    except SymgluonError as better:
        return better
    shown = ", ".join("none" if t is None else str(t) for t in types)
    kind = AxisError if isinstance(error, IndexError) else ShapeError  # the first is an IndexError
    return kind(f"{op!r}: {error}", received=shown)


_CONTENTS = (Pending, Resident)


def run_kernel(op: Op, data: Sequence[Any]) -> Any:
    """Compute `op` on NumPy arrays: a one-operator session where that pays, else its kernel."""
    least = op.eager_min
    if (
        least is not None
        and _eager_backend is not None
        and data[0] is not None
        and data[0].dtype == np.float32
        and (data[0].size if op.eager_work is None else op.eager_work(data)) >= least
    ):
        if op.precheck is not None:
            op.precheck(data)
        result = _eager_backend(op, data)
        if result is not NotImplemented:
            return result
    result = type(op).kernel(op, *data)
    if type(result) is np.ndarray:
        return result
    if isinstance(result, tuple | list):
        return tuple([r if type(r) is Resident else np.asarray(r) for r in result])
    return result if type(result) in _CONTENTS else np.asarray(result)


def _coerced(op: Op, operands: Sequence[Any]) -> Sequence[Any]:
    """Cast operands to the dtypes the operator's rule asks for; numbers become 0-d arrays."""
    first = getattr(operands[0], "dtype", None)
    if (
        first is not None
        and all([getattr(o, "dtype", None) is first for o in operands[1:]])
        and (op.coerce is same_dtypes or (first.kind == "f" and op.coerce in KEEP_FLOATS))
    ):
        return operands
    kinds = [o if not hasattr(o, "dtype") else o.dtype for o in operands]
    rule: Any = op.coerce
    targets = rule(*kinds)
    new: list[Any] = []
    for o, target in zip(operands, targets, strict=True):
        if o is None:
            new.append(None)
        elif not hasattr(o, "dtype"):
            new.append(np.asarray(o, target))
        elif o.dtype == target:
            new.append(o)
        elif isinstance(o, Array):
            new.append(OPS["cast"](target)(o))
        else:
            new.append(o.astype(target))
    return new


def same_dtypes(*kinds: Any) -> tuple[Any, ...]:
    """Rule of operators whose operands share MXNet's promoted dtype (`Op.coerce`)."""
    from symgluon import dtypes

    arrays = [k for k in kinds if isinstance(k, np.dtype)]
    scalars = [k for k in kinds if k is not None and not isinstance(k, np.dtype)]
    target = dtypes.promote(*arrays) if arrays else dtypes.resolve(type(scalars[0]))
    for scalar in scalars:
        target = dtypes.scalar_type(target, scalar)
    return (target,) * len(kinds)


#: rules that leave operands of one float dtype alone
KEEP_FLOATS: set[Callable[..., Any]] = {same_dtypes}


_MOST_BOUND = 256  # operators with attributes that `Functional` keeps, each
_PLAIN = frozenset((int, bool, float, str, type(None)))
_INT = frozenset((int,))


def plain_key(rest: tuple[Any, ...], attrs: Mapping[str, Any]) -> Any:
    """Return attributes as a key, None if one is no plain value (a dimension, a list, a dtype)."""
    values = (*rest, *attrs.values())
    kinds = tuple(map(type, values))
    if not _PLAIN.issuperset(kinds):
        for value, kind in zip(values, kinds, strict=True):
            if kind not in _PLAIN and (kind is not tuple or not _INT.issuperset(map(type, value))):
                return None
    return (values, kinds, *attrs)


class Functional:
    """Operators as functions: ``F.mean(x, axis=0)`` is ``Mean(axis=0)(x)``.

    Positional arguments beyond the operands are attributes in the order of their declaration.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)  # what `inspect` and `copy` ask for is no operator
        cls = get_op(name)
        params = cls.operands()
        variadic = any(p.kind is p.VAR_POSITIONAL for p in params)
        count = len(params)
        instance: list[Op] = []
        bound: dict[Any, Op] = {}

        def call(*args: Any, **attrs: Any) -> Any:
            operands: tuple[Any, ...] = args
            rest: tuple[Any, ...] = ()
            if not variadic and len(args) > count:
                operands, rest = args[:count], args[count:]
            if not variadic and len(operands) < count:
                operands = (*operands, *(None,) * (count - len(operands)))
            if rest or attrs:
                key = plain_key(rest, attrs)
                found = bound.get(key) if key is not None else None
                if found is None:
                    found = cls(*rest, **attrs)
                    if key is not None and len(bound) < _MOST_BOUND:
                        bound[key] = found
                return apply(found, *operands)
            if not instance:
                instance.append(cls())
            return apply(instance[0], *operands)

        call.__name__ = name
        call.__doc__ = cls.__doc__
        setattr(self, name, call)
        return call


F = Functional()
set_dispatcher(apply, derive)

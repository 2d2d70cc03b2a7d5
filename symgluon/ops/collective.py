"""Operators that exchange data between devices: logical ones of this process, and MPI ranks.

A participant is a device of a process; participants are numbered process by process.  Between
processes a call blocks.  Within one, device 0 calls before device 1 has its data: its result is a
:class:`~symgluon.ops.pending.Pending`, and the arrival of the last device settles all of them.
The two operators are each other's gradient.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon import distributed
from symgluon.errors import ShapeError, SymgluonError
from symgluon.ir.op import COLLECTIVE, Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.pending import Pending, abandon, settle


class _Collective(Op):
    """What the operators share.

    Attributes
    ----------
    group : str
        Who exchanges: the calls of one layer, on all its devices, name the same group.
    label : str
        Name of the layer in errors.
    devices : int
        Logical devices of each process.
    rank : int
        Number of this device among them; -1 in a traced graph, which serves all devices.
    world : int
        Number of processes.
    """

    group: str = ""
    label: str = ""
    devices: int = 1
    rank: int = -1
    world: int = 1
    effects = frozenset({COLLECTIVE})

    @property
    def count(self) -> int:
        """Number of participants."""
        return self.devices * self.world

    def at(self, rank: int) -> Any:
        """Return the operator as the device `rank` calls it."""
        return self.replace(rank=rank)

    def kernel(self, x: Any) -> Any:
        if self.devices == 1:
            return self.exchange([x])[0]
        if self.rank < 0:
            raise SymgluonError(
                f"{self.label or self.name}: a graph that serves several devices was run for none",
                hint="call the hybridized block on arrays of its devices",
            )
        return _arrive(self, x)

    def exchange(self, parts: Sequence[Any]) -> list[Any]:
        """Compute the results of the local devices from their operands."""
        raise NotImplementedError(f"{type(self).__name__} must define exchange")


@op()
class AllGather(_Collective):
    """Stack the operands of all participants, for each of them: ``(...)`` to ``(count, ...)``."""

    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape((self.count, *(x.shape or ())))

    def exchange(self, parts: Sequence[Any]) -> list[Any]:
        local = np.stack(parts)
        every = distributed.all_gather(local) if self.world > 1 else local
        every = every.reshape(self.count, *local.shape[1:])
        every.flags.writeable = False
        return [every] * len(parts)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return (ReduceScatter(**_attributes(self))(ct),)

    def onnx(self, g: Any, x: str) -> Any:
        return g.unsqueeze(x, [0]) if self.count == 1 else NotImplemented

    samples = [S((2, 3)), S(())]


@op()
class ReduceScatter(_Collective):
    """Sum over the participants; each gets its own row: ``(count, ...)`` to ``(...)``."""

    aliases = True

    def infer(self, x: TensorType) -> TensorType:
        shape = x.shape or ()
        if not shape or shape[0] != self.count:
            raise ShapeError(
                f"{self.name}: axis 0 must have a row for each of {self.count} participants",
                received=shape,
            )
        return x.with_shape(shape[1:])

    def exchange(self, parts: Sequence[Any]) -> list[Any]:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        if self.world > 1:
            total = distributed.all_reduce(total)
        first = distributed.rank() * self.devices if self.world > 1 else 0
        return [total[first + i] for i in range(len(parts))]

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return (AllGather(**_attributes(self))(ct),)

    def onnx(self, g: Any, x: str) -> Any:
        return g.squeeze(x, [0]) if self.count == 1 else NotImplemented

    samples = [S((1, 3)), S((1,))]


def _attributes(op: _Collective) -> dict[str, Any]:
    """Attributes of the gradient: the same participants, another exchange."""
    found = {name: getattr(op, name) for name in type(op).fields}
    return {**found, "group": f"{op.group}'"}


# ---- rounds -------------------------------------------------------------------------------------
class _Rounds:
    """The calls of one exchange: the n-th call of every device makes the n-th round."""

    def __init__(self) -> None:
        self.calls: dict[int, int] = {}
        self.open: dict[int, dict[int, tuple[Any, Pending]]] = {}

    def forget(self) -> None:
        """Begin anew: after an error nobody can complete the rounds that are open."""
        for here in self.open.values():
            for _, pending in here.values():
                abandon(pending)
        self.calls.clear()
        self.open.clear()


_lock = threading.RLock()
_rounds: dict[str, _Rounds] = {}
_numbers = itertools.count(1)
_keys: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def group_of(owner: Any) -> str:
    """Return the key of a layer's exchanges; a copy of the layer has a key of its own."""
    key = _keys.get(owner)
    if key is None:
        key = _keys[owner] = f"sync{next(_numbers)}"
        weakref.finalize(owner, _drop, key)
    return key


def _drop(key: str) -> None:
    with _lock:
        for known in [k for k in _rounds if k.rstrip("'").split("/")[0] == key]:
            del _rounds[known]


def _arrive(op: _Collective, x: Any) -> Any:
    """Take the operand of one device; the last one to come gets, and gives the others, numbers."""
    with _lock:
        rounds = _rounds.setdefault(op.group, _Rounds())
        number = rounds.calls.get(op.rank, 0)
        rounds.calls[op.rank] = number + 1
        here = rounds.open.setdefault(number, {})
        infer: Any = op.infer(TensorType(x.shape, x.dtype))
        mine = Pending(infer, lambda: _too_early(op, rounds, here))
        here[op.rank] = (x, mine)
        if len(here) < op.devices:
            return mine
        del rounds.open[number]
        _check_equal(op, here)
        order = sorted(here)
        results = op.exchange([here[r][0] for r in order])
        for r, result in zip(order, results, strict=True):
            if r == op.rank:
                own = mine.value = result
            else:
                settle(here[r][1], result)
        return own


def _check_equal(op: _Collective, here: dict[int, tuple[Any, Pending]]) -> None:
    types = {(x.shape, x.dtype) for x, _ in here.values()}
    if len(types) > 1:
        shown = ", ".join(f"{s} {d}" for s, d in sorted(types, key=str))
        raise SymgluonError(
            f"{op.label or op.name}: the devices disagree about the data: {shown}",
            hint="give every device data of one dtype and number of channels",
        )


def _too_early(op: _Collective, rounds: _Rounds, here: dict[int, Any]) -> Exception:
    came = ", ".join(map(str, sorted(here)))
    missing = ", ".join(str(r) for r in range(op.devices) if r not in here)
    backward = "'" in op.group
    with _lock:
        rounds.forget()
    return SymgluonError(
        f"{op.label or op.name}: {'gradients' if backward else 'results'} are read before all "
        f"{op.devices} devices {'ran backward' if backward else 'were called'}: device {came} did, "
        f"{missing} did not",
        hint="run backward for the losses of all devices first"
        if backward
        else "call the net on the parts of all devices before reading any result, or use "
        "num_devices=1",
    )


# ---- batch normalisation ------------------------------------------------------------------------
def sync_batch_norm(
    data: Any,
    gamma: Any,
    beta: Any,
    *,
    gather: Callable[[Any], Any],
    eps: float,
    axis: int,
) -> tuple[Any, Any, Any]:
    """Normalise by the statistics of all participants' data together.

    Each computes its mean and its squared deviations from that; these are combined as sums over
    groups are (Chan, Golub and LeVeque 1979), relative to the mean of the first, so nothing cancels
    where the mean is large.

    Parameters
    ----------
    data : (..., C, ...)
        float16 data are computed in float32.
    gamma, beta : (C,)
    gather : callable
        Stacks an array of every participant.

    Returns
    -------
    out, mean, var : arrays
        As `data`; (C,); (C,), the biased variance.
    """
    x = F.cast(data, dtype="float32") if data.dtype.itemsize < 4 else data
    channels = x.shape[axis]
    axes = tuple(i for i in range(x.ndim) if i != axis)
    shape = tuple(channels if i == axis else 1 for i in range(x.ndim))

    def spread(vector: Any) -> Any:
        return F.reshape(vector, shape=shape)

    def average(array: Any) -> Any:
        return F.sum(array, axis=axes) / F.maximum(count, 1)  # an empty part counts for nothing

    one_channel = F.index(x, (*(slice(None),) * axis, slice(0, 1)))
    count = F.stop_gradient(F.sum(F.ones_like(one_channel), axis=axes))
    pivot = F.stop_gradient(average(F.stop_gradient(x)))
    shifted = x - spread(pivot)
    rest = average(shifted)  # what rounding left out of the pivot; it carries the gradient
    deviation = shifted - spread(rest)
    squares = F.sum(deviation * deviation, axis=axes)
    every = gather(F.stack(pivot, rest, squares, F.zeros_like(pivot) + count, axis=0))
    pivots, rests, all_squares, counts = [F.index(every, (slice(None), i)) for i in range(4)]
    total = F.maximum(F.sum(counts, axis=(0,)), 1)
    origin = F.index(pivots, (0,))
    places = (pivots - origin) + rests
    centre = F.sum(counts * places, axis=(0,)) / total
    apart = places - centre
    var = (F.sum(all_squares, axis=(0,)) + F.sum(counts * apart * apart, axis=(0,))) / total
    centred = deviation + spread((pivot - origin) + rest - centre)
    out = centred * spread(F.rsqrt(var + eps) * gamma) + spread(beta)
    mean = origin + centre
    return (F.cast(out, dtype=data.dtype) if out.dtype != data.dtype else out), mean, var

"""Updates of weights that lie on a GPU: all of them in one compiled graph, where they stay.

An optimizer with a `formula` has its update as array operations beside its `rule`; the numbers of a
step (rates, decays) are one operand, so that a schedule compiles nothing anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon.ir.dims import DimScope
from symgluon.ir.graph import Graph
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F, apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.call import GraphOp
from symgluon.ops.region import Region
from symgluon.optimizer.buffers import flat, mapped

if TYPE_CHECKING:
    from symgluon.optimizer.optimizer import Optimizer

_MOST_GRAPHS = 16
_float32 = np.dtype(np.float32)


def update_there(
    optimizer: Optimizer,
    weights: Sequence[Any],
    grads: Sequence[Any],
    states: Sequence[Any],
    numbers: Sequence[tuple[float, ...]],
) -> bool:
    """Update weights on the GPU that they are on.

    Parameters
    ----------
    optimizer : Optimizer
        It has a `formula`.
    weights, grads : sequence of array
        The weights, which get new contents, and their gradients.
    states : sequence of object
        Their states, whose arrays get new contents.
    numbers : sequence of tuple of float
        What `Optimizer.numbers` says of each weight.

    Returns
    -------
    bool
        False: nothing was done, since they are not all float32 arrays on one GPU.
    """
    devices = {w._device for w in weights}
    device = next(iter(devices))
    if len(devices) != 1 or device is None or device.device_type != "gpu":
        return False
    buffers = flat(states)
    operands = [*weights, *grads, *buffers]
    if any(a.dtype != _float32 or a._base is not None for a in operands) or any(
        g.shape != w.shape for g, w in zip(grads, weights, strict=True)
    ):
        return False
    groups: dict[tuple[float, ...], int] = {}
    group = tuple([groups.setdefault(n, len(groups)) for n in numbers])
    op = _compiled(optimizer, device, weights, states, group, len(numbers[0]))
    if not op.on_device:
        return False
    known = np.array([optimizer.rescale_grad, *[v for g in groups for v in g]], np.float32)
    results = apply(op, *operands, wrap(known))
    for target, result in zip([*weights, *buffers], _listed(results), strict=True):
        target._data = result._data
        target._owned = False
    return True


def _compiled(
    optimizer: Optimizer,
    device: Any,
    weights: Sequence[Any],
    states: Sequence[Any],
    group: tuple[int, ...],
    width: int,
) -> GraphOp:
    from symgluon.backends.base import make_options, on_gpu

    shapes = tuple([w.shape for w in weights])
    key = (device, optimizer.constants(), shapes, tuple(map(_structure, states)), group)
    found: GraphOp | None = optimizer._on_gpu.get(key)
    if found is None:
        graph = _traced(optimizer, weights, states, group, width)
        found = GraphOp(graph, on_gpu(make_options("onnxruntime"), device))
        if len(optimizer._on_gpu) >= _MOST_GRAPHS:
            optimizer._on_gpu.clear()
        optimizer._on_gpu[key] = found
    return found


def _traced(
    optimizer: Optimizer,
    weights: Sequence[Any],
    states: Sequence[Any],
    group: tuple[int, ...],
    width: int,
) -> Graph:
    region = Region(f"{type(optimizer).__name__}_update", DimScope())
    with region.active():

        def argument(name: str, like: Any) -> Array:
            return region.argument(name, TensorType(like.shape, _float32))  # type: ignore[no-any-return]

        w = [argument(f"weight{i}", a) for i, a in enumerate(weights)]
        g = [argument(f"grad{i}", a) for i, a in enumerate(weights)]
        s = [mapped(state, lambda a: argument("state", a)) for state in states]
        count = 1 + (max(group) + 1) * width
        known = region.argument("numbers", TensorType((count,), _float32))
        each = [F.index(known, (i,)) for i in range(count)]
        new_w, new_s = [], []
        for weight, grad, state, k in zip(w, g, s, group, strict=True):
            own = each[1 + k * width : 1 + (k + 1) * width]
            scaled = grad * each[0]
            clip = optimizer.clip_gradient
            if clip is not None and clip > 0:
                scaled = F.clip(scaled, a_min=-clip, a_max=clip)
            made, kept = optimizer.formula(weight, scaled, state, *own)
            new_w.append(made)
            new_s.extend(flat(kept))
        graph: Graph = region.close([*new_w, *new_s])
    return graph


def _listed(results: Any) -> Sequence[Any]:
    return results if isinstance(results, tuple) else (results,)


def _structure(state: Any) -> Any:
    return mapped(state, lambda a: a.shape)

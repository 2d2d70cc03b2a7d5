"""`hybrid_forward` of MXNet 1.x: how blocks that define it are called, and what finds their shapes.

`F` is ``mx.nd``, in eager code and in a trace: its functions take the handles of both.  It is ``mx.sym``
where a block is called with symbols (`gluon.symbolic`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from symgluon import dtypes
from symgluon.gluon.structure import flatten, unflatten
from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops.array import Array
from symgluon.ops.region import Region
from symgluon.ops.state import state

if TYPE_CHECKING:
    from symgluon.gluon.hybrid import HybridBlock


def defines_hybrid_forward(block: HybridBlock) -> bool:
    """Whether the class of a block defines `hybrid_forward` and calls go there."""
    from symgluon.gluon.hybrid import HybridBlock

    return type(block).hybrid_forward is not HybridBlock.hybrid_forward


def may_hold_symbols(args: Any, kwargs: Any = ()) -> bool:
    """Whether there is a symbol among the arguments of a call."""
    if "symgluon.symbol.symbol" not in sys.modules:
        return False  # nobody has made one
    from symgluon.gluon.symbolic import has_symbols

    return has_symbols([list(args), kwargs])


def call_with_symbols(block: HybridBlock, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return the symbol of a block: as it composes one in the dialect 1, traced in the dialect 2."""
    if block._scope is not None:
        from symgluon.gluon import symbolic

        return symbolic.call(block, args, kwargs)
    from symgluon.symbol.block import symbol_of_block

    return symbol_of_block(block, [*args, *kwargs.values()])


def call(block: Any, x: Any, args: Sequence[Any]) -> Any:
    """Call `hybrid_forward` with the parameters on the device of the first array."""
    if not isinstance(x, Array) and may_hold_symbols([x, *args]):
        from symgluon.gluon.symbolic import compose

        return compose(block, [x, *args], {})
    from symgluon import ndarray

    block._count_step()
    device = x._device if isinstance(x, Array) else _device_of([x, *args])
    params = {name: p._cell(device) for name, p in block._reg_params.items()}
    return block.hybrid_forward(ndarray, x, *args, **params)


def _device_of(args: Sequence[Any]) -> Any:
    leaves: list[Array] = []
    flatten(list(args), leaves)
    return leaves[0]._device if leaves else None


class _Given:
    """A parameter whose array was given to `hybrid_forward`."""

    def __init__(self, parameter: Any, array: Any) -> None:
        self._parameter = parameter
        self._array = array

    def _cell(self, device: Any) -> Any:
        return self._array

    def data(self, device: Any = None, ctx: Any = None) -> Any:
        """The given array."""
        return self._array

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parameter, name)


def call_native(block: HybridBlock, x: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call the `forward` that a layer of ours defines, with the parameters that are given.

    Raises
    ------
    NotImplementedError
        If no class of the block defines one.
    """
    if not isinstance(x, Array) and may_hold_symbols([x]):
        from symgluon import symbol
        from symgluon.gluon.symbolic import compose_native

        return compose_native(block, symbol, [x, *args], kwargs)
    native = _native_forward(type(block))
    if native is None:
        raise NotImplementedError(
            f"{type(block).__name__} defines neither forward(self, x, ...) nor "
            "hybrid_forward(self, F, x, ...), one of which every HybridBlock must"
        )
    inputs, params = _split(block, native, args, kwargs)
    changed = {n: a for n, a in params.items() if not _is_own(block, n, a)}
    if changed:
        stand_in = object.__new__(type(block))
        stand_in.__dict__.update(block.__dict__)
        for name, array in changed.items():
            given = None if array is None else _Given(block._reg_params.get(name), array)
            stand_in.__dict__[name] = given
        block = stand_in
    return native(block, x, *inputs.pop("", ()), **inputs)


def _is_own(block: HybridBlock, name: str, array: Any) -> bool:
    """Whether an array is what the layer has under this name anyway."""
    parameter = block._reg_params.get(name)
    if parameter is None:
        return array is None
    return any(array is cell for cell in parameter._cells.values())


def _native_forward(cls: type) -> Callable[..., Any] | None:
    """The `forward` nearest in the bases that does not go to `hybrid_forward`."""
    from symgluon.gluon.block import Block
    from symgluon.gluon.hybrid import HybridBlock

    for base in cls.__mro__:
        found = base.__dict__.get("forward")
        ours = found not in (None, HybridBlock.forward) and base is not Block
        if ours and "hybrid_forward" not in base.__dict__:
            return found  # type: ignore[no-any-return]
    return None


def _split(
    block: HybridBlock, native: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs (positional ones under ``""``) and parameters among the arguments."""
    signature = inspect.signature(native).parameters
    absent = {n for n in kwargs if n not in signature and n in block.__dict__}  # no bias, say
    params = {n: a for n, a in kwargs.items() if n in block._reg_params or n in absent}
    inputs: dict[str, Any] = {n: a for n, a in kwargs.items() if n not in params}
    taken = list(signature.values())
    if any(p.kind is p.VAR_POSITIONAL for p in taken):
        inputs[""] = tuple(args)
        return inputs, params
    count = len(taken) - 2  # without self and x
    rest = [n for n in block._reg_params if n not in params]
    params.update(zip(rest, args[count:], strict=False))
    inputs[""] = tuple(args[:count])
    return inputs, params


# ---- deferred shapes ---------------------------------------------------------------------------
def infer_shape(block: Any, args: Sequence[Any]) -> None:
    """Find unknown shapes of parameters by what the operators of `hybrid_forward` expect.

    The function runs once with handles that hold no numbers.
    """
    if all(p._shape_known for p in block._reg_params.values()):
        return
    from symgluon import ndarray

    leaves: list[Array] = []
    spec = flatten(list(args), leaves)
    types = [_sizes(leaf) for leaf in leaves]
    region = Region("infer_shape", DimScope())
    with region.active():
        fresh = [region.argument(f"data{i}", t, type(leaves[i])) for i, t in enumerate(types)]
        for new, old in zip(fresh, leaves, strict=True):
            new._device = old._device
        cls = type(leaves[0]) if leaves else ndarray.NDArray
        params = {
            n: region.argument(n, declared_type(p), cls) for n, p in block._reg_params.items()
        }
        block.hybrid_forward(ndarray, *unflatten(spec, iter(fresh)), **params)
    for name, parameter in block._reg_params.items():
        found = params[name]._data.type
        if found.shape is not None and found.is_known:
            parameter.shape = tuple(int(n) for n in found.shape)


def _sizes(array: Array) -> TensorType:
    """Type of an argument, its named dimensions as the numbers seen."""
    region = state.region
    if region is None or array.type.shape is None:
        return array.type
    sizes = [region.scope.hint(n) for n in array.type.shape]
    return TensorType(sizes, array.dtype)


def declared_type(parameter: Any) -> TensorType:
    """Return the type that a parameter declares, sizes that are not known left open."""
    dtype = dtypes.resolve(parameter.dtype)
    if parameter.shape is None:
        return TensorType(None, dtype)
    return TensorType([None if n in (-1, 0) else n for n in parameter.shape], dtype)

"""The core array handle: a mutable name for an immutable array or `ir.Value`.

Mutation is on the handle, so traces stay in SSA form.  A *view* handle knows its base and its
index: what is written through it goes to the base, and it re-reads the base when that changed.
Operators on this class are the canonical ones; the public classes (`np.ndarray`, `nd.NDArray`)
derive from it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from symgluon.device import Device, current_device
from symgluon.errors import TraceError
from symgluon.ir.dims import user_line
from symgluon.ir.graph import Value
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ops.pending import Pending, replacing, settled
from symgluon.ops.resident import Resident, fetched
from symgluon.ops.state import state


class _Counter:
    """Counts changes of parameters: what was built from their content is out of date."""

    def __init__(self) -> None:
        self.count = 0

    def touch(self) -> None:
        """Note that the content of a parameter changed, or that it has new cells."""
        self.count += 1


parameter_writes = _Counter()


class Array:
    """Handle to an array.

    Attributes
    ----------
    _data : numpy.ndarray, Value, Pending or Resident
        The content.  Never written in place unless `_owned`.
    _node, _out : TapeNode and int
        What produced the content, if it is tracked; `_leaf` is set by ``attach_grad``.
    _base, _index, _seen : Array, tuple, content
        Of a view: the handle it looks into, where, and the base's content when it last looked.
    _owned : bool
        Nobody else holds the buffer: it may be written in place.
    _owner : object or None
        The parameter slot this handle is the content of.
    """

    _data: Any
    _node: Any = None
    _out: int = 0
    _leaf: Any = None
    _base: Array | None = None
    _index: tuple[Any, ...] = ()
    _seen: Any = None
    _owned: bool = False
    _owner: Any = None
    _device: Device | None = None
    __array_priority__: ClassVar[float] = 1000.0

    def __init__(self, data: Any) -> None:
        self._data = data

    # ---- reading ---------------------------------------------------------------------------
    def _content(self) -> Any:
        """Return the present content: a NumPy array, or a Value of the region being traced.

        It is a `Pending` where it waits for another device.
        """
        region = state.region
        if self._base is not None:
            self._look()
            return self._data
        if region is not None:
            return region.read(self)
        if type(self._data) is not np.ndarray:
            self._data = fetched(settled(self._data))
        return self._data

    def _anywhere(self) -> Any:
        """Return the present content, which may lie on a device."""
        return self._data if type(self._data) is Resident else self._content()

    def _look(self) -> None:
        """Let a view follow its base (views read once while the base stays the same)."""
        base = self._base
        if base is None:
            return
        content = base._content()
        if content is not self._seen:
            if type(self._seen) is Pending and self._seen.value is content:
                self._data, self._seen = settled(self._data), content  # what was waited for
                return
            self._owned = False
            if type(content) is np.ndarray and not (state.recording and base._node is not None):
                try:  # the short way; what NumPy refuses is explained below
                    self._data = content[(*self._index, ...)]
                    self._node, self._seen = None, content
                    base._root()._owned = False
                    return
                except IndexError:
                    pass
            fresh = OPS["index"](self._index)(base)
            self._data, self._node, self._out = fresh._data, fresh._node, fresh._out
            self._seen = content

    def _root(self) -> Array:
        base = self
        while base._base is not None:
            base = base._base
        return base

    @property
    def shape(self) -> tuple[Any, ...]:
        """Shape; inside a trace its entries may be symbolic."""
        if self._base is not None:
            self._look()
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the elements."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> Any:
        """Number of elements."""
        total: Any = 1
        for n in self.shape:
            total = total * n
        return total

    @property
    def type(self) -> TensorType:
        """Type of the content."""
        if self._base is not None:
            self._look()
        data = self._data
        return data.type if isinstance(data, Value) else TensorType(data.shape, data.dtype)

    @property
    def device(self) -> Device:
        """Logical device the array lives on."""
        return self._device or current_device()

    def numpy_content(self, what: str = "reading its numbers") -> np.ndarray:
        """Return the NumPy content (not to be written).

        Raises
        ------
        TraceError
            Inside a trace, where there are no numbers yet.
        SymgluonError
            If they wait for another device.
        """
        content = self._content()
        if type(content) is np.ndarray:
            return content
        if type(content) is Pending:
            return content.read()  # type: ignore[no-any-return]
        if isinstance(content, Value):
            raise TraceError(
                f"{what} is not possible while a graph is traced: %{content.name} "
                f"({content.type}) has no numbers yet",
                where=user_line() or "unknown line",
                hint="use npx.cond / npx.while_loop, pass the number as a Python argument, or "
                "leave this block un-hybridized",
            )
        return content  # type: ignore[no-any-return]

    # ---- writing ---------------------------------------------------------------------------
    def _assign(self, value: Array) -> None:
        """Let the whole content become that of `value` (same shape and dtype)."""
        if self._base is not None:
            self._base._write(self._index, value)
            self._look()
            return
        region = state.region
        if region is not None:
            written = region.value_of(value)
            if written is not None:
                region.write(self, written)
            return
        value._look()
        data = value._data
        if self._owner is not None:
            if type(data) is Pending:
                data = replacing(self._content(), data)
            parameter_writes.touch()
        self._data = data
        self._owned = value._owned = False
        if state.recording:
            self._node, self._out = value._node, value._out
            if self._owner is not None and value._node is not None:
                state.written = [*(state.written or ()), self]
        else:
            self._be_variable()

    def _be_variable(self) -> None:
        """After a write that is not recorded: a variable has no past, anything else no producer."""
        leaf = self._leaf
        if leaf is not None and leaf.source is not None:
            leaf = self._leaf = type(leaf)(leaf.grad, leaf.req)
        self._node, self._out = (None if leaf is None or leaf.req == "null" else leaf), 0

    def _write(self, index: tuple[Any, ...], value: Any) -> None:
        """Write `value` at a basic `index` (ints, slices, None, ...): ``x[index] = value``."""
        root = self._root()
        tracked = state.recording and (root._node is not None or getattr(value, "_node", None))
        if state.region is None and not tracked and isinstance(root._data, np.ndarray):
            if not root._owned:
                root._data = root._data.copy()
                root._owned = True
            target = root._data
            chain: list[tuple[Any, ...]] = []
            view: Array = self
            while view._base is not None:
                chain.append(view._index)
                view = view._base
            for step in reversed(chain):
                target = target[(*step, ...)]  # the ellipsis keeps a 0-d part a view
            source = value._content() if isinstance(value, Array) else value
            if target.dtype.kind in "iub" and isinstance(source, np.ndarray):
                source = source.astype(target.dtype, copy=False)
            target[index] = source
            root._be_variable()
            if root._owner is not None:
                parameter_writes.touch()
            return
        if not isinstance(value, Array):
            value = np.asarray(value).astype(self.dtype)
        elif value.dtype != self.dtype:
            value = OPS["cast"](self.dtype)(value)
        new = OPS["set_index"](index)(self, value)
        self._assign(new)

    # ---- arithmetic: canonical operators ------------------------------------------------------
    def __add__(self, other: Any) -> Any:
        return OPS["add"]()(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return OPS["subtract"]()(self, other)

    def __rsub__(self, other: Any) -> Any:
        return OPS["subtract"]()(other, self)

    def __mul__(self, other: Any) -> Any:
        return OPS["multiply"]()(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return OPS["true_divide"]()(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return OPS["true_divide"]()(other, self)

    def __pow__(self, other: Any) -> Any:
        return OPS["power"]()(self, other)

    def __rpow__(self, other: Any) -> Any:
        return OPS["power"]()(other, self)

    def __neg__(self) -> Any:
        return OPS["negative"]()(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type}>"


def wrap(data: Any, cls: type[Array] = Array) -> Any:
    """Return a new handle of class `cls` to `data`."""
    handle = cls.__new__(cls)
    handle._data = data
    return handle


def view(base: Array, index: tuple[Any, ...], cls: type[Array] | None = None) -> Any:
    """Return a handle that looks into `base` at a basic `index`."""
    handle = wrap(None, cls or type(base))
    handle._base = base
    handle._index = index
    handle._device = base._device
    handle._look()
    return handle

"""Operators that users write in Python (``mx.operator``): registry, and how a graph calls them.

Such an operator is a node that runs the user's code on arrays: eagerly and on the interpreter.  Its
auxiliary states are operands, and what it writes to them are extra results.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from symgluon.device import current_device
from symgluon.errors import AttributeValueError, ShapeError, SymgluonError, UnsupportedOpError
from symgluon.ir.op import Op, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F, apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.region import outside
from symgluon.ops.state import state

#: name -> class of its properties
REGISTRY: dict[str, Any] = {}
#: class of the arrays that users' code gets, set by the front end
front_class: list[type[Array]] = [Array]
#: attributes that are not the user's
_OWN = ("op_type", "ctx", "name", "num_args")


def properties(attrs: Mapping[str, Any]) -> Any:
    """Make the properties of a custom operator from the attributes of a call.

    Parameters
    ----------
    attrs : mapping
        ``op_type``, and what the class takes; it gets them as text.

    Raises
    ------
    AttributeValueError
        If there is no such operator, or its class does not take the attributes.
    """
    kind = attrs.get("op_type")
    if not kind:
        raise AttributeValueError("Custom: attribute op_type is required")
    found = REGISTRY.get(str(kind))
    if found is None:
        raise AttributeValueError(
            f"Cannot find custom operator {kind}",
            hint=f"decorate its CustomOpProp with @mx.operator.register({kind!r}); registered are: "
            + (", ".join(sorted(REGISTRY)) or "none"),
        )
    given = {k: str(v) for k, v in attrs.items() if k not in _OWN and not k.startswith("__")}
    try:
        return found(**given)
    except TypeError as error:
        raise AttributeValueError(f"custom operator {kind}: {error}") from error


class Holder:
    """Properties of a call, and the user's operator, made when the types are known.

    Parameters
    ----------
    kind : str
        Name it is registered under.
    prop : CustomOpProp
        The properties.
    cls : type
        Class of the arrays that the user's code gets.
    training : bool
        Mode of the call.
    """

    def __init__(self, kind: str, prop: Any, cls: type[Array], training: bool) -> None:
        self.kind = kind
        self.prop = prop
        self.cls = cls
        self.training = training
        self.arguments = len(prop.list_arguments())
        self.states = len(prop.list_auxiliary_states())
        self.results = len(prop.list_outputs())
        self.lock = threading.RLock()
        self._made: dict[Any, Any] = {}

    def operator(self, arrays: Sequence[np.ndarray]) -> Any:
        """Return the user's operator for arrays of these types."""
        key = tuple((a.shape, a.dtype) for a in arrays[: self.arguments])
        found = self._made.get(key)
        if found is None:
            shapes = [list(shape) for shape, _ in key]
            dtypes = [dtype.type for _, dtype in key]
            found = self.prop.create_operator(current_device(), shapes, dtypes)
            self._made = {key: found}  # one at a time: it may hold arrays
        return found

    def handles(self, arrays: Sequence[np.ndarray], owned: bool = False) -> list[Any]:
        """Return handles as the user's code gets them."""
        found = [wrap(a, self.cls) for a in arrays]
        for handle in found:
            handle._owned = owned
        return found

    def types(self, operands: Sequence[TensorType]) -> list[TensorType]:
        """Types of the results, and of the auxiliary states after them."""
        given = [list(t.known_shape) for t in operands[: self.arguments]]
        shapes = list(self.prop.infer_shape(given))
        if len(shapes) not in (2, 3):
            raise SymgluonError(
                f"custom operator {self.kind}: infer_shape must return the shapes of arguments and "
                "outputs, and of auxiliary states if there are any",
                received=f"{len(shapes)} lists",
            )
        dtypes = list(self.prop.infer_type([t.dtype.type for t in operands[: self.arguments]]))
        for i, (shape, own) in enumerate(zip(shapes[0], given, strict=False)):
            if tuple(shape) != tuple(own):
                raise ShapeError(
                    f"custom operator {self.kind}: shape of argument {i}",
                    expected=tuple(shape),
                    received=tuple(own),
                )
        if len(shapes[1]) != self.results or len(dtypes[1]) != self.results:
            raise SymgluonError(
                f"custom operator {self.kind}: infer_shape and infer_type must tell each of its "
                f"{self.results} outputs"
            )
        outs = [
            TensorType(tuple(s), np.dtype(d)) for s, d in zip(shapes[1], dtypes[1], strict=True)
        ]
        return [*outs, *operands[self.arguments :]]


@contextmanager
def _user_code(holder: Holder) -> Iterator[None]:
    """Run the user's code eagerly, one call of an operator at a time."""
    with holder.lock, outside():
        yield


def _contents(handles: Sequence[Any], like: Sequence[np.ndarray]) -> list[np.ndarray]:
    found = []
    for handle, array in zip(handles, like, strict=True):
        content = np.asarray(handle.numpy_content())
        handle._owned = False
        found.append(content.astype(array.dtype, copy=False))
    return found


class _Named(Op):
    holder: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["name"] = f"Custom({self.holder.kind})"

    def __repr__(self) -> str:
        return self.name

    def key(self) -> tuple[Any, ...]:
        """Identity of the call: the user's operator may keep something."""
        return (type(self), id(self.holder))

    def onnx(self, g: Any, *names: Any) -> Any:
        raise UnsupportedOpError(
            f"{self.name} is Python code, which ONNX has no form for",
            hint="write it with operators of mx.np, or leave it out of what is exported",
        )


@op(name="custom")
class Custom(_Named):
    """A user's operator, forwards: its results, then its auxiliary states after the call."""

    effects = frozenset(("custom",))
    aliases = True

    def infer(self, *operands: TensorType) -> Any:
        found = self.holder.types(operands)
        return found[0] if len(found) == 1 else tuple(found)

    def kernel(self, *arrays: Any) -> Any:
        holder: Holder = self.holder
        types = holder.types([TensorType(a.shape, a.dtype) for a in arrays])
        blank = [np.zeros(t.known_shape, t.dtype) for t in types[: holder.results]]
        with _user_code(holder):
            outs = holder.handles(blank, owned=True)
            states = holder.handles(arrays[holder.arguments :])
            holder.operator(arrays).forward(
                is_train=holder.training,
                req=["write"] * holder.results,
                in_data=holder.handles(arrays[: holder.arguments]),
                out_data=outs,
                aux=states,
            )
            found = _contents([*outs, *states], [*blank, *arrays[holder.arguments :]])
        return found[0] if len(found) == 1 else tuple(found)

    def grad(self, ct: Any, y: Any, *operands: Any) -> Any:
        holder: Holder = self.holder
        ys = y if isinstance(y, tuple) else (y,)
        cts = ct if isinstance(ct, tuple) else (ct,)
        given = [
            F.zeros_like(r) if c is None else c
            for c, r in zip(cts[: holder.results], ys, strict=False)
        ]
        found = apply(CustomGradient(holder), *given, *operands, *ys[: holder.results])
        grads = found if isinstance(found, tuple) else (found,)
        return (*grads, *(None,) * holder.states)


@op(name="custom_gradient")
class CustomGradient(_Named):
    """A user's operator, backwards: cotangents, operands and results to gradients."""

    effects = frozenset(("custom",))
    aliases = True

    def infer(self, *operands: TensorType) -> Any:
        start = self.holder.results
        found = operands[start : start + self.holder.arguments]
        return found[0] if len(found) == 1 else tuple(found)

    def kernel(self, *arrays: Any) -> Any:
        holder: Holder = self.holder
        n, k = holder.results, holder.arguments
        inputs = arrays[n : n + k]
        blank = [np.zeros(a.shape, a.dtype) for a in inputs]
        with _user_code(holder):
            grads = holder.handles(blank, owned=True)
            holder.operator(arrays[n:]).backward(
                req=["write"] * k,
                out_grad=holder.handles(arrays[:n]),
                in_data=holder.handles(inputs),
                out_data=holder.handles(arrays[n + k + holder.states :]),
                in_grad=grads,
                aux=holder.handles(arrays[n + k : n + k + holder.states]),
            )
            found = _contents(grads, blank)
        return found[0] if len(found) == 1 else tuple(found)


def bind_custom(attrs: Mapping[str, Any], cls: type[Array] | None = None) -> Callable[..., Any]:
    """Return the function that a custom operator with these attributes is.

    Parameters
    ----------
    attrs : mapping
        ``op_type``, and the user's.
    cls : type, optional
        Class of the arrays that the user's code gets; that of MXNet 1.x if left out.
    """
    kind = str(attrs.get("op_type"))
    properties(attrs)  # what is wrong is told now

    def call(*inputs: Any) -> list[Any]:
        prop = properties(attrs)
        holder = Holder(kind, prop, cls or front_class[0], state.training)
        if len(inputs) != holder.arguments + holder.states:
            names = [*prop.list_arguments(), *prop.list_auxiliary_states()]
            raise AttributeValueError(
                f"custom operator {kind}: wrong number of operands",
                expected=f"{len(names)} ({', '.join(names)})",
                received=len(inputs),
            )
        found = apply(Custom(holder), *inputs)
        results = list(found) if isinstance(found, tuple) else [found]
        for cell, new in zip(inputs[holder.arguments :], results[holder.results :], strict=True):
            cell._assign(new)
        return results[: holder.results]

    return call

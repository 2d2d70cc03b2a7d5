"""`mx.operator`: operators in Python, called as ``nd.Custom``, ``sym.Custom``, ``npx.Custom``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ndarray.ndarray import NDArray
from symgluon.ops import custom
from symgluon.ops.array import Array, wrap

custom.front_class[0] = NDArray


class CustomOp:
    """What a custom operator computes; subclasses define `forward` and `backward`.

    Notes
    -----
    Source: MXNet's ``mx.operator.CustomOp``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Cube(mx.operator.CustomOp):
    ...     def forward(self, is_train, req, in_data, out_data, aux):
    ...         self.assign(out_data[0], req[0], in_data[0] ** 3)
    ...
    ...     def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
    ...         self.assign(in_grad[0], req[0], out_grad[0] * 3 * in_data[0] ** 2)
    >>> @mx.operator.register("cube")
    ... class CubeProp(mx.operator.CustomOpProp):
    ...     def create_operator(self, ctx, in_shapes, in_dtypes):
    ...         return Cube()
    >>> x = mx.nd.array([2, 3])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = mx.nd.Custom(x, op_type="cube")
    >>> y.backward()
    >>> y.asnumpy(), x.grad.asnumpy()
    (array([ 8., 27.], dtype=float32), array([12., 27.], dtype=float32))
    """

    def forward(
        self, is_train: bool, req: Sequence[str], in_data: Sequence[Any], out_data: Sequence[Any],
        aux: Sequence[Any],
    ) -> None:  # fmt: skip
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool
            Mode of the call.
        req : list of str
            What happens to each output, for `assign`.
        in_data : list of array
            The arguments.
        out_data : list of array
            To be written.
        aux : list of array
            Auxiliary states, which may be written.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def backward(
        self, req: Sequence[str], out_grad: Sequence[Any], in_data: Sequence[Any],
        out_data: Sequence[Any], in_grad: Sequence[Any], aux: Sequence[Any],
    ) -> None:  # fmt: skip
        """Compute the gradients of the arguments.

        Parameters
        ----------
        req : list of str
            What happens to each gradient, for `assign`.
        out_grad : list of array
            Gradients of the outputs.
        in_data, out_data : list of array
            Arguments and outputs of the forward.
        in_grad : list of array
            To be written.
        aux : list of array
            Auxiliary states.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define backward")

    def assign(self, dst: Any, req: str, src: Any) -> None:
        """Write a result.

        Parameters
        ----------
        dst : array
            Where it goes.
        req : str
            ``write``, ``inplace``, ``add`` or ``null``.
        src : array or number
            The result.

        Raises
        ------
        AttributeValueError
            For another `req`.
        """
        if req == "null":
            return
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src
        else:
            raise AttributeValueError(
                "assign: req", expected="write, inplace, add or null", received=req
            )


class CustomOpProp:
    """Properties of a custom operator: names, shapes, dtypes; it makes the operator.

    Parameters
    ----------
    need_top_grad : bool
        Accepted: the gradients of outputs are always there, ones where none were given.

    Notes
    -----
    What a call gives beside arrays comes to ``__init__`` as text.  Source: MXNet's
    ``mx.operator.CustomOpProp``.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def infer_shape(self, in_shape: Sequence[Sequence[int]]) -> Any:
        """Return the shapes of arguments, outputs and auxiliary states from those of arguments.

        Parameters
        ----------
        in_shape : list of list of int
            Shapes of the arguments.

        Returns
        -------
        tuple of lists of shapes
            By default each output has the shape of the first argument.
        """
        return in_shape, (in_shape[0],) * len(self.list_outputs()), ()

    def infer_type(self, in_type: Sequence[Any]) -> Any:
        """Return the dtypes of arguments, outputs and auxiliary states from those of arguments.

        Parameters
        ----------
        in_type : list of type
            Dtypes of the arguments.

        Returns
        -------
        tuple of lists of type
            By default that of the first argument.
        """
        return (
            in_type,
            [in_type[0]] * len(self.list_outputs()),
            [in_type[0]] * len(self.list_auxiliary_states()),
        )

    def list_arguments(self) -> list[str]:
        """Return the names of the arguments.

        Returns
        -------
        list of str
            ``["data"]`` by default.
        """
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Return the names of the outputs.

        Returns
        -------
        list of str
            ``["output"]`` by default.
        """
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """Return the names of the auxiliary states.

        Returns
        -------
        list of str
            None by default.
        """
        return []

    def declare_backward_dependency(
        self, out_grad: Sequence[int], in_data: Sequence[int], out_data: Sequence[int]
    ) -> list[int]:
        """Return what `backward` reads; here it always gets all of it.

        Parameters
        ----------
        out_grad, in_data, out_data : list of int
            Numbers of the arrays.

        Returns
        -------
        list of int
            Those that it reads.
        """
        return [*(out_grad if self.need_top_grad_ else ()), *in_data, *out_data]

    def create_operator(self, ctx: Any, in_shapes: Any, in_dtypes: Any) -> CustomOp:
        """Return the operator for arguments of these types.

        Parameters
        ----------
        ctx : Device
            Where it runs.
        in_shapes : list of list of int
            Shapes of the arguments.
        in_dtypes : list of type
            Dtypes of the arguments.

        Returns
        -------
        CustomOp
            The operator.
        """
        return CustomOp()


def register(reg_name: str) -> Callable[[type[CustomOpProp]], type[CustomOpProp]]:
    """Register a subclass of `CustomOpProp` under a name: a class decorator.

    Parameters
    ----------
    reg_name : str
        Value of ``op_type`` in calls.

    Returns
    -------
    callable
        Decorator; the class is returned as it is.

    Raises
    ------
    TypeError
        If the class is no subclass of `CustomOpProp`.
    """

    def declare(prop_cls: type[CustomOpProp]) -> type[CustomOpProp]:
        if not (isinstance(prop_cls, type) and issubclass(prop_cls, CustomOpProp)):
            raise TypeError(
                f"operator.register({reg_name!r}) decorates a subclass of CustomOpProp"
            )
        custom.REGISTRY[reg_name] = prop_cls
        return prop_cls

    return declare


def get_all_registered_operators() -> list[str]:
    """Return the names of MXNet's operators that are supported.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    from symgluon.ops.mx import table

    return sorted(table())


def call_custom(args: Sequence[Any], kwargs: Mapping[str, Any], cls: type[NDArray]) -> Any:
    """Call a custom operator on arrays.

    Parameters
    ----------
    args : sequence of array
        Arguments and auxiliary states by position.
    kwargs : mapping
        Arguments by name, and attributes.
    cls : type
        Class of the arrays that the operator gets, and of the results.

    Returns
    -------
    array or list of array
        Its outputs.

    Raises
    ------
    AttributeValueError
        If the operator has no such argument, or one lacks.
    """
    named = {k: v for k, v in kwargs.items() if isinstance(v, Array)}
    attrs = {k: v for k, v in kwargs.items() if k not in named and v is not None}
    inputs = [wrap(np.array(a)) if isinstance(a, np.ndarray) else a for a in args]
    if named:
        prop = custom.properties(attrs)
        names = [*prop.list_arguments(), *prop.list_auxiliary_states()]
        unknown = [k for k in named if k not in names[len(inputs) :]]
        missing = [n for n in names[len(inputs) :] if n not in named]
        if unknown or missing:
            raise AttributeValueError(
                f"custom operator {attrs.get('op_type')}: arguments",
                expected=", ".join(names),
                received=f"{len(inputs)} by position, and {', '.join(named)}",
            )
        inputs += [named[n] for n in names[len(inputs) :]]
    results = custom.bind_custom(attrs, cls)(*inputs)
    for result in results:
        result.__class__ = cls
        result._device = inputs[0]._device if inputs else None
    return results[0] if len(results) == 1 else results

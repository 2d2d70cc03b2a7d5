"""Executors: a symbol on arrays, compiled like a hybridized block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon import autograd, dtypes
from symgluon.device import Device, current_device
from symgluon.formats.symbol_json import SymbolProgram
from symgluon.gluon.hybrid import HybridBlock
from symgluon.ops.state import state

if TYPE_CHECKING:
    from symgluon.symbol.symbol import Symbol


class _Program(HybridBlock):
    """A symbol as a function of its variables."""

    _run: Any
    _names: tuple[str, ...]

    def __init__(self, program: SymbolProgram, names: Sequence[str]) -> None:
        super().__init__()
        object.__setattr__(self, "_run", program.run)
        object.__setattr__(self, "_names", tuple(names))

    def forward(self, *arrays: Any) -> Any:
        """Outputs from the arrays of all variables."""
        return list(self._run(dict(zip(self._names, arrays, strict=True))))


class Executor:
    """A symbol bound to arrays; made by :meth:`Symbol.bind` and :meth:`Symbol.simple_bind`.

    Parameters
    ----------
    symbol : Symbol
        What is computed.
    ctx : Device
        Where.
    args, grads, aux : dict of str to NDArray
        Arguments, where their gradients go, auxiliary states.
    grad_req : dict of str to str
        ``write``, ``add`` or ``null`` for each argument.

    Notes
    -----
    Source: MXNet's ``mx.executor.Executor``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x, w = mx.sym.var("x"), mx.sym.var("w")
    >>> run = (x * w).bind(None, {"x": mx.nd.array([1, 2]), "w": mx.nd.array([3, 4])},
    ...                    args_grad={"w": mx.nd.zeros(2)})
    >>> run.forward(is_train=True)[0].asnumpy()
    array([3., 8.], dtype=float32)
    >>> run.backward(mx.nd.ones(2))
    >>> run.grad_dict["w"].asnumpy()
    array([1., 2.], dtype=float32)
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Device,
        args: dict[str, Any],
        grads: dict[str, Any],
        grad_req: dict[str, str],
        aux: dict[str, Any],
    ) -> None:
        self._symbol, self._ctx = symbol, ctx
        self._args, self._grads, self._aux, self._req = args, grads, aux, grad_req
        program = SymbolProgram(symbol.records)
        self._inputs = [n for n in program.variables if n in args or n in aux]
        self._block = _Program(program, self._inputs)
        self._block.hybridize()
        self.outputs: list[Any] = []
        wanted = [n for n in args if grad_req[n] != "null" and grads.get(n) is not None]
        if wanted:
            autograd.mark_variables(
                [args[n] for n in wanted],
                [grads[n] for n in wanted],
                [grad_req[n] for n in wanted],
            )

    # ---- arrays ----------------------------------------------------------------------------
    @property
    def arg_dict(self) -> dict[str, Any]:
        """Arguments by name."""
        return self._args

    @property
    def grad_dict(self) -> dict[str, Any]:
        """Gradients by name of the argument; None for those that have none."""
        return {n: self._grads.get(n) for n in self._args}

    @property
    def aux_dict(self) -> dict[str, Any]:
        """Auxiliary states by name."""
        return self._aux

    @property
    def output_dict(self) -> dict[str, Any]:
        """Outputs of the last forward by name."""
        return dict(zip(self._symbol.list_outputs(), self.outputs, strict=False))

    @property
    def arg_arrays(self) -> list[Any]:
        """Arguments in the order of `list_arguments`."""
        return list(self._args.values())

    @property
    def grad_arrays(self) -> list[Any]:
        """Gradients in the order of `list_arguments`; None for those that have none."""
        return list(self.grad_dict.values())

    @property
    def aux_arrays(self) -> list[Any]:
        """Auxiliary states in the order of `list_auxiliary_states`."""
        return list(self._aux.values())

    # ---- running ---------------------------------------------------------------------------
    def forward(self, is_train: bool = False, **kwargs: Any) -> list[Any]:
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool
            Training mode: what `backward` needs is kept, running statistics are updated.
        **kwargs : NDArray
            New content of arguments.

        Returns
        -------
        list of NDArray
            The outputs.

        Raises
        ------
        TypeError
            For a name that is no argument.
        ValueError
            For content of another shape.
        """
        for name, value in kwargs.items():
            if name not in self._args:
                raise TypeError(
                    f"forward: there is no argument {name!r}; arguments: {', '.join(self._args)}"
                )
            _write(self._args[name], value, name)
        arrays = [self._args[n] if n in self._args else self._aux[n] for n in self._inputs]
        with autograd.record() if is_train else autograd.pause(train_mode=False):
            found = self._block(*arrays) if arrays else self._block.forward()
        self.outputs = list(found)
        for output in self.outputs:
            output.__class__ = _array_class()
            output._device = self._ctx
        return self.outputs

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Compute the gradients of the arguments.

        Parameters
        ----------
        out_grads : NDArray or list of NDArray, optional
            Cotangents of the outputs; ones, which losses ignore.
        is_train : bool
            Training mode.

        Raises
        ------
        RuntimeError
            Before a ``forward(is_train=True)``.
        """
        if not self.outputs:
            raise RuntimeError("backward: call forward(is_train=True) before")
        if out_grads is not None and not isinstance(out_grads, list | tuple):
            out_grads = [out_grads]
        given = None if not out_grads else list(out_grads)
        autograd.backward(self.outputs, given, retain_graph=False, train_mode=is_train)

    def copy_params_from(
        self, arg_params: Mapping[str, Any], aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:  # fmt: skip
        """Copy parameters into the arrays.

        Parameters
        ----------
        arg_params, aux_params : dict of str to NDArray
            Arguments and auxiliary states.
        allow_extra_params : bool
            Pass over names that the symbol does not have.

        Raises
        ------
        ValueError
            For a name that the symbol does not have.
        """
        for given, own in ((arg_params, self._args), (aux_params or {}, self._aux)):
            for name, value in given.items():
                if name in own:
                    _write(own[name], value, name)
                elif not allow_extra_params:
                    raise ValueError(f"copy_params_from: the symbol has no {name!r}")

    def reshape(
        self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any
    ) -> Executor:
        """Return an executor for other shapes; arrays whose shape stays are shared.

        Parameters
        ----------
        partial_shaping, allow_up_sizing : bool
            Whether shapes that are not given may change, and arrays may grow.
        **kwargs : tuple of int
            Shapes of arguments.

        Returns
        -------
        Executor
            The executor.

        Raises
        ------
        ValueError
            If a shape changes that may not.
        """
        shapes, aux = _shapes(self._symbol, kwargs)
        args, grads = {}, {}
        for name, old in self._args.items():
            shape = shapes[name]
            if shape != old.shape and name not in kwargs and not partial_shaping:
                raise ValueError(
                    f"reshape: {name} would go from {old.shape} to {shape}; pass "
                    "partial_shaping=True if that is meant"
                )
            if int(np.prod(shape)) > old.size and not allow_up_sizing:
                raise ValueError(
                    f"reshape: {name} would grow from {old.shape} to {shape}; pass "
                    "allow_up_sizing=True if that is meant"
                )
            same = shape == old.shape
            args[name] = old if same else _zeros(shape, old.dtype, self._ctx)
            grad = self._grads.get(name)
            if grad is not None:
                grads[name] = grad if same else _zeros(shape, old.dtype, self._ctx)
        states = {
            n: old if aux[n] == old.shape else _zeros(aux[n], old.dtype, self._ctx)
            for n, old in self._aux.items()
        }
        return Executor(self._symbol, self._ctx, args, grads, self._req, states)


def _array_class() -> Any:
    if state.np_array:
        from symgluon.numpy.multiarray import ndarray

        return ndarray
    from symgluon.ndarray import NDArray

    return NDArray


# ---- making one --------------------------------------------------------------------------------
def _zeros(shape: Sequence[int], dtype: Any, ctx: Device) -> Any:
    if state.np_array:
        from symgluon import numpy as np_front

        return np_front.zeros(tuple(shape), dtype=dtype, device=ctx)
    from symgluon import ndarray as nd

    return nd.zeros(tuple(shape), ctx=ctx, dtype=dtype)


def _write(target: Any, value: Any, name: str) -> None:
    found = np.shape(value) if not hasattr(value, "shape") else tuple(value.shape)
    if found != target.shape:
        raise ValueError(f"{name} has the shape {target.shape}, received {found}")
    target[:] = value


def _named(given: Any, names: Sequence[str], what: str, complete: bool = True) -> dict[str, Any]:
    """Arrays by name, from a list or a dict."""
    if given is None:
        found: dict[str, Any] = {}
    elif isinstance(given, Mapping):
        found = {n: given[n] for n in names if given.get(n) is not None}
    else:
        values = list(given)
        if len(values) != len(names):
            raise ValueError(f"bind: {len(values)} arrays for {len(names)} {what}: {names}")
        found = {n: v for n, v in zip(names, values, strict=True) if v is not None}
    missing = [n for n in names if n not in found]
    if complete and missing:
        raise ValueError(f"bind: {what} {', '.join(missing)} are missing")
    return found


def _requests(grad_req: Any, names: Sequence[str]) -> dict[str, str]:
    if isinstance(grad_req, str):
        found = dict.fromkeys(names, grad_req)
    elif isinstance(grad_req, Mapping):
        found = {n: grad_req.get(n, "null") for n in names}
    else:
        found = dict(zip(names, grad_req, strict=True))
    wrong = {r for r in found.values() if r not in ("write", "add", "null")}
    if wrong:
        raise ValueError(f"grad_req is write, add or null, received {', '.join(map(repr, wrong))}")
    return found


def _device(ctx: Any) -> Device:
    if isinstance(ctx, list | tuple):
        ctx = ctx[0] if ctx else None
    return current_device() if ctx is None else ctx


def bind(
    symbol: Symbol, ctx: Any, args: Any, args_grad: Any, grad_req: Any, aux_states: Any
) -> Executor:
    """See :meth:`Symbol.bind`.

    Parameters
    ----------
    symbol : Symbol
        What is computed.
    ctx : Device
        Where.
    args, args_grad, aux_states : list or dict of NDArray
        Arguments, gradients, auxiliary states.
    grad_req : str, or list or dict of str
        ``write``, ``add`` or ``null``.

    Returns
    -------
    Executor
    """
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    given = _named(args, names, "arguments")
    aux = _named(aux_states, states, "auxiliary states", complete=aux_states is not None)
    for name in states:
        if name not in aux and isinstance(args, Mapping) and name in args:
            aux[name] = args[name]
    missing = [n for n in states if n not in aux]
    if missing:
        raise ValueError(f"bind: auxiliary states {', '.join(missing)} are missing")
    grads = _named(args_grad, names, "gradients", complete=False)
    return Executor(symbol, _device(ctx), given, grads, _requests(grad_req, names), aux)


def _shapes(symbol: Symbol, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    found, _, aux = symbol.infer_shape(**given)
    if found is None:
        partial, _, aux = symbol.infer_shape_partial(**given)
        names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
        unknown = [n for n, s in zip(names, [*partial, *aux], strict=True) if not s or 0 in s]
        raise ValueError(f"the shapes of {', '.join(unknown)} cannot be found; give them")
    return (
        dict(zip(symbol.list_arguments(), found, strict=True)),
        dict(zip(symbol.list_auxiliary_states(), aux, strict=True)),
    )


def simple_bind(
    symbol: Symbol, ctx: Any, grad_req: Any, type_dict: Any, shapes: Mapping[str, Any]
) -> Executor:
    """See :meth:`Symbol.simple_bind`.

    Parameters
    ----------
    symbol : Symbol
        What is computed.
    ctx : Device
        Where.
    grad_req : str, or list or dict of str
        ``write``, ``add`` or ``null``.
    type_dict : dict of str to dtype, optional
        Dtypes of arguments.
    shapes : mapping of str to tuple of int
        Shapes of arguments.

    Returns
    -------
    Executor
    """
    skip = ("group2ctx", "shared_arg_names", "shared_exec", "shared_buffer")
    known, aux = _shapes(symbol, {k: v for k, v in shapes.items() if k not in skip})
    arg_types, _, aux_types = symbol.infer_type(**(type_dict or {}))
    device = _device(ctx)
    requests = _requests(grad_req, list(known))
    args = {
        n: _zeros(s, dtypes.resolve(t), device)
        for (n, s), t in zip(known.items(), arg_types, strict=True)
    }
    grads = {n: _zeros(a.shape, a.dtype, device) for n, a in args.items() if requests[n] != "null"}
    states = {
        n: _zeros(s, dtypes.resolve(t), device)
        for (n, s), t in zip(aux.items(), aux_types, strict=True)
    }
    return Executor(symbol, device, args, grads, requests, states)

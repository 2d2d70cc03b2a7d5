"""`Executor`: a symbol bound to arrays, which it reads and writes at each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import autograd
from symgluon.device import Device, current_device, usable
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.formats.symbol_json import SymbolProgram
from symgluon.gluon.options import prepare
from symgluon.gluon.trace import Entry, trace
from symgluon.ndarray.ndarray import NDArray, assign
from symgluon.ops.array import Array, wrap
from symgluon.ops.tape import GRAD_REQS, make_variable
from symgluon.symbol.infer import ShapeWalk
from symgluon.symbol.types import dtype_walk


class Executor:
    """A symbol with the arrays of its variables; made by ``symbol.bind`` or ``simple_bind``.

    Each mode (training, prediction) is traced and compiled at its first run.

    Parameters
    ----------
    symbol : Symbol
        What is computed.
    ctx : Device
        Where.
    args : list of array
        In the order of ``symbol.list_arguments()``.
    grads : list of array or None
        Where the gradient of each argument goes.
    reqs : list of str
        ``write``, ``add`` or ``null`` for each argument.
    states : list of array
        In the order of ``symbol.list_auxiliary_states()``.

    Attributes
    ----------
    arg_arrays, grad_arrays, aux_arrays : list of array
        As given.
    outputs : list of array
        Of the last forward: the same arrays each time, with new contents.

    Notes
    -----
    Source: MXNet's ``mx.executor.Executor``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x, w = mx.sym.var("x"), mx.sym.var("w")
    >>> run = (x * w).bind(args={"x": mx.nd.array([1, 2]), "w": mx.nd.array([3, 4])},
    ...                    args_grad={"w": mx.nd.zeros((2,))})
    >>> run.forward(is_train=True)[0].asnumpy()
    array([3., 8.], dtype=float32)
    >>> run.backward(mx.nd.ones((2,)))
    >>> run.grad_dict["w"].asnumpy()
    array([1., 2.], dtype=float32)
    """

    def __init__(
        self,
        symbol: Any,
        ctx: Device,
        args: Sequence[Any],
        grads: Sequence[Any],
        reqs: Sequence[str],
        states: Sequence[Any],
    ) -> None:
        self._symbol = symbol
        self._ctx = self._device = ctx
        self._program = SymbolProgram(symbol.records)
        self._names = symbol.list_arguments()
        self._states = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._reqs = list(reqs)
        self._entries: dict[bool, Entry] = {}
        self._cls = _class_of(symbol)
        self._contents: list[Any] | None = None  # of the arguments at the last forward
        self._recorded = False
        self.arg_arrays = list(args)
        self.grad_arrays = list(grads)
        self.aux_arrays = list(states)
        self._heads: list[Any] = []  # results of the last run, with what produced them
        self._outputs: list[Any] | None = None

    # ---- arrays ------------------------------------------------------------------------------
    @property
    def arg_dict(self) -> dict[str, Any]:
        """Arguments by name."""
        return dict(zip(self._names, self.arg_arrays, strict=True))

    @property
    def grad_dict(self) -> dict[str, Any]:
        """Gradients by name; None where none is wanted."""
        return dict(zip(self._names, self.grad_arrays, strict=True))

    @property
    def aux_dict(self) -> dict[str, Any]:
        """Auxiliary states by name."""
        return dict(zip(self._states, self.aux_arrays, strict=True))

    @property
    def outputs(self) -> list[Any]:
        """Results of the last forward, zeros before the first one; each forward changes them."""
        if self._outputs is None:
            walk = ShapeWalk(self._program, {n: a.shape for n, a in self.arg_dict.items()})
            walk.run()
            records = self._program.records
            given = {**self.arg_dict, **self.aux_dict}
            kinds = dtype_walk(records, {n: a.dtype for n, a in given.items()})
            self._outputs = [
                _zeros([n or 0 for n in shape or ()], kinds.get((head[0], head[1]), "float32"),
                       self._ctx, self._cls)
                for shape, head in zip(walk.outputs, records.heads, strict=True)
            ]  # fmt: skip
        return self._outputs

    def _show(self) -> list[Any]:
        """Put the results of a run into the arrays that users have."""
        if self._outputs is None:
            self._outputs = [wrap(h._content(), self._cls) for h in self._heads]
        for shown, head in zip(self._outputs, self._heads, strict=True):
            shown._data = head._content()
            shown._owned = head._owned = False
            shown._device = self._ctx
        return self._outputs

    @property
    def output_dict(self) -> dict[str, Any]:
        """Results of the last forward by name."""
        return dict(zip(self._output_names, self.outputs, strict=True))

    def copy_params_from(
        self,
        arg_params: Mapping[str, Any],
        aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy arrays into the arguments and auxiliary states of the same names.

        Parameters
        ----------
        arg_params, aux_params : dict of str to array
            What is copied.
        allow_extra_params : bool
            Accept names that the symbol does not have.

        Raises
        ------
        ValueError
            For such a name, and for shapes that do not fit.
        """
        for given, own, what in (
            (arg_params, self.arg_dict, "arguments"),
            (aux_params or {}, self.aux_dict, "auxiliary states"),
        ):
            for name, value in given.items():
                if name in own:
                    _copy(name, value, own[name])
                elif not allow_extra_params:
                    raise ValueError(
                        f'Find name "{name}" that is not in the {what}; pass '
                        "allow_extra_params=True to leave it out"
                    )

    # ---- running -----------------------------------------------------------------------------
    def forward(self, is_train: bool = False, **kwargs: Any) -> list[Any]:
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool
            Training mode, and what `backward` needs is kept.
        **kwargs : array
            New contents of arguments.

        Returns
        -------
        list of array
            The outputs.

        Raises
        ------
        TypeError
            If there is no such argument.
        ShapeError
            If the shape is another one.
        """
        own = self.arg_dict if kwargs else {}
        for name, value in kwargs.items():
            if name not in own:
                raise TypeError(
                    f"Unknown argument {name}; the symbol has {', '.join(self._names)}"
                )
            _copy(name, value, own[name])
        self._contents = [a._content() for a in self.arg_arrays]
        for array in self.arg_arrays:
            array._owned = False  # so a later write leaves these contents alone
        self._heads = self._run(is_train, is_train)
        self._recorded = is_train
        return self._show()

    def _run(self, is_train: bool, record: bool) -> list[Any]:
        """Run on the contents of the last forward."""
        leaves = [self._leaf(i, record) for i in range(len(self._names))]
        mode = autograd.record(is_train) if record else autograd.pause(False)
        with mode:
            return list(self._entry(is_train)([*leaves, *self.aux_arrays], self._ctx))

    def _leaf(self, index: int, record: bool) -> Any:
        """A handle to the content of an argument: the user's array does not become a variable."""
        array = self.arg_arrays[index]
        leaf = wrap((self._contents or ())[index], type(array))
        leaf._device = array._device
        if record and self._reqs[index] != "null":
            make_variable(leaf, self.grad_arrays[index], self._reqs[index])
        return leaf

    def _entry(self, is_train: bool) -> Entry:
        found = self._entries.get(is_train)
        if found is None:
            from symgluon.backends import make_options

            names = [*self._names, *self._states]
            arrays = [*self.arg_arrays, *self.aux_arrays]

            def run(*handles: Any) -> list[Any]:
                results = self._program.run(dict(zip(names, handles, strict=True)))
                return [_as(r, self._cls) for r in results]

            traced = trace(
                run, arrays, name="symbol", name_param=lambda p: p.name, input_names=names,
                dims=lambda leaf, axis, size: None,
            )  # fmt: skip
            found = self._entries[is_train] = Entry(traced, make_options(None), prepare)
        return found

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Compute the gradients of the arguments at the last forward.

        After a forward of prediction, which keeps nothing, it is computed once more.

        Parameters
        ----------
        out_grads : array or list of array, optional
            Gradients of the outputs; ones if left out, which training heads do not read.
        is_train : bool
            Whether the rules are those of training mode.

        Raises
        ------
        RuntimeError
            If there was no forward.
        """
        if self._contents is None:
            raise RuntimeError("backward differentiates the last forward; call forward first")
        if all(g is None for g in self.grad_arrays):
            return
        if not self._recorded:
            self._heads = self._run(False, True)
            self._recorded = True
        heads = self._heads
        if out_grads is None:
            given = None
        else:
            given = [out_grads] if isinstance(out_grads, Array) else list(out_grads)
            if len(given) != len(heads):
                raise AttributeValueError(
                    "backward: gradients of the outputs", expected=len(heads), received=len(given)
                )
        # numbers of places have no gradient, whatever is given for them
        tracked = [i for i, h in enumerate(heads) if h._node is not None and h.dtype.kind in "fV"]
        grads = [g for g, r in zip(self.grad_arrays, self._reqs, strict=True) if r == "write"]
        for grad in grads:
            grad._fresh = False
        if tracked:
            autograd.backward(
                [heads[i] for i in tracked],
                None if given is None else [given[i] for i in tracked],
                retain_graph=True,
                train_mode=is_train,
            )
        for grad in grads:
            if not grad._fresh:  # nothing arrived
                grad[:] = 0

    def reshape(
        self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any
    ) -> Executor:
        """Return an executor for other shapes; arrays that become no larger share memory.

        Parameters
        ----------
        partial_shaping : bool
            Accept that the shapes of arguments change that are not named.
        allow_up_sizing : bool
            Accept arrays that become larger.
        **kwargs : tuple of int
            New shapes of arguments.

        Returns
        -------
        Executor
            Of the same symbol.

        Raises
        ------
        ShapeError
            If a shape changes that must not, or they do not fit.
        """
        shapes = _shapes(self._symbol, kwargs, {n: a.dtype for n, a in self.arg_dict.items()})

        def fitted(name: str, array: Any) -> Any:
            if array is None or tuple(array.shape) == shapes[name]:
                return array
            if name not in kwargs and not partial_shaping:
                raise ShapeError(
                    f"reshape: the shape of {name} changes from {tuple(array.shape)} to "
                    f"{shapes[name]}",
                    hint="name it in the call, or pass partial_shaping=True",
                )
            if np.prod(shapes[name]) > np.prod(array.shape) and not allow_up_sizing:
                raise ShapeError(
                    f"reshape: {name} of shape {tuple(array.shape)} becomes larger, "
                    f"{shapes[name]}",
                    hint="pass allow_up_sizing=True",
                )
            if np.prod(shapes[name]) <= np.prod(
                array.shape
            ):  # the first elements of the same memory
                size = int(np.prod(shapes[name]))
                return array.reshape((-1,))[:size].reshape(shapes[name])
            return _zeros(shapes[name], array.dtype, self._ctx, type(array))

        args = [fitted(n, a) for n, a in self.arg_dict.items()]
        grads = [fitted(n, g) for n, g in self.grad_dict.items()]
        states = [fitted(n, a) for n, a in self.aux_dict.items()]
        return Executor(self._symbol, self._ctx, args, grads, self._reqs, states)

    def debug_str(self) -> str:
        """Return a listing of the symbol.

        Returns
        -------
        str
            As ``symbol.debug_str()``.
        """
        found: str = self._symbol.debug_str()
        return found

    def get_optimized_symbol(self) -> Any:
        """Return the symbol; passes work on the compiled graph, not on it.

        Returns
        -------
        Symbol
            What was bound.
        """
        return self._symbol


# ---- making executors ------------------------------------------------------------------------------
def bind(
    symbol: Any, ctx: Any, args: Any, args_grad: Any, grad_req: Any, aux_states: Any
) -> Executor:
    """Bind a symbol to arrays; see :meth:`Symbol.bind`.

    Parameters
    ----------
    symbol : Symbol
        What is computed.
    ctx : Device or None
        Where.
    args, args_grad, aux_states : list or dict of array
        The arrays.
    grad_req : str, list or dict
        What happens to gradients.

    Returns
    -------
    Executor
        It reads and writes these arrays.
    """
    names = symbol.list_arguments()
    found = _arrays("args", args, names)
    reqs = _reqs(grad_req, names)
    grads = _arrays("args_grad", args_grad, names, missing=True)
    reqs = ["null" if g is None else r for r, g in zip(reqs, grads, strict=True)]
    grads = [None if r == "null" else g for r, g in zip(reqs, grads, strict=True)]
    states = _arrays("aux_states", aux_states, symbol.list_auxiliary_states())
    return Executor(symbol, ctx or current_device(), found, grads, reqs, states)


def simple_bind(
    symbol: Any, ctx: Any, grad_req: Any, type_dict: Mapping[str, Any] | None, shapes: Any
) -> Executor:
    """Bind a symbol to new arrays of zeros; see :meth:`Symbol.simple_bind`.

    Parameters
    ----------
    symbol : Symbol
        What is computed.
    ctx : Device or None
        Where.
    grad_req : str, list or dict
        What happens to gradients.
    type_dict : mapping of str to dtype, optional
        Dtypes of arguments.
    shapes : mapping of str to tuple of int
        Shapes of arguments.

    Returns
    -------
    Executor
        With arrays of its own.
    """
    records = symbol.records
    known = dtype_walk(records, type_dict or {})
    kinds = {
        node.name: known.get((i, 0), np.dtype("float32"))
        for i, node in enumerate(records.nodes)
        if node.op == "null"
    }
    found = _shapes(symbol, shapes, kinds)
    device = ctx or current_device()
    cls = _class_of(symbol)

    def new(name: str) -> Any:
        return _zeros(found[name], kinds[name], device, cls)

    names = symbol.list_arguments()
    reqs = _reqs(grad_req, names)
    grads = [None if r == "null" else new(n) for n, r in zip(names, reqs, strict=True)]
    states = [new(n) for n in symbol.list_auxiliary_states()]
    return Executor(symbol, device, [new(n) for n in names], grads, reqs, states)


def evaluate(symbol: Any, ctx: Any, arrays: Mapping[str, Any]) -> list[Any]:
    """Compute the outputs of a symbol once; see :meth:`Symbol.eval`.

    Parameters
    ----------
    symbol : Symbol
        What is computed.
    ctx : Device or None
        Where.
    arrays : mapping of str to array
        All variables.

    Returns
    -------
    list of array
        The outputs.
    """
    return bind(symbol, ctx, arrays, None, "null", arrays).forward()


def _shapes(symbol: Any, given: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    unknown = [k for k in given if k not in names]
    if unknown:
        raise ValueError(
            f"the symbol has no argument {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(names[:20])}"
        )
    walk = ShapeWalk(SymbolProgram(symbol.records), given, kinds)
    walk.run()
    found = {n: walk.shape(n) for n in names}
    missing = [n for n, s in found.items() if s is None or None in s]
    if missing:
        raise ShapeError(
            f"the shapes of {', '.join(missing[:8])} cannot be found",
            hint="give the shapes of the inputs: simple_bind(ctx, data=(32, 10))",
        )
    return found


def _arrays(what: str, given: Any, names: Sequence[str], missing: bool = False) -> list[Any]:
    """Arrays in the order of `names`."""
    if given is None:
        given = {}
    if isinstance(given, Mapping):
        found = []
        for name in names:
            if name not in given and not missing:
                raise ValueError(f"key `{name}` is missing in `{what}`")
            found.append(given.get(name))
    else:
        found = list(given)
        if len(found) != len(names):
            raise ValueError(
                f"Length of {what} does not match the number of arguments: {len(found)} arrays "
                f"for {', '.join(names)}"
            )
    wrong = [
        n
        for n, a in zip(names, found, strict=True)
        if not isinstance(a, NDArray) and not (missing and a is None)
    ]
    if wrong:
        raise TypeError(f"Only accept list of NDArrays or dict of str to NDArray: {what} {wrong}")
    return found


def _reqs(given: Any, names: Sequence[str]) -> list[str]:
    if isinstance(given, str):
        found = [given] * len(names)
    elif isinstance(given, Mapping):
        found = [given.get(n, "null") for n in names]
    else:
        found = list(given)
    if len(found) != len(names) or any(r not in GRAD_REQS for r in found):
        raise AttributeValueError(
            "grad_req", expected=f"one of {GRAD_REQS}, for {len(names)} arguments", received=given
        )
    return found


def _class_of(symbol: Any) -> type[NDArray]:
    if not symbol._numpy:
        return NDArray
    from symgluon.numpy import ndarray

    found: type[NDArray] = ndarray
    return found


def _zeros(shape: Sequence[int], dtype: Any, device: Device, cls: type[Array]) -> Any:
    handle = wrap(np.zeros([int(n) for n in shape], dtype), cls)
    handle._owned = True
    handle._device = usable(device)
    return handle


def _copy(name: str, value: Any, target: Any) -> None:
    if not isinstance(value, Array):
        value = wrap(np.asarray(value, target.dtype), type(target))
    if tuple(value.shape) != tuple(target.shape):
        raise ShapeError(
            f"argument {name}", expected=tuple(target.shape), received=tuple(value.shape),
            hint="bind anew, or call reshape, for another shape",
        )  # fmt: skip
    assign(target, value)


def _as(handle: Any, cls: type[Array]) -> Any:
    return handle if type(handle) is cls else wrap(handle._content(), cls)
